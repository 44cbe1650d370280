//! What the user reads: commands with their output, in `tests/cmd`. Run with
//! `TRYCMD=overwrite` to write what is printed now.

#[test]
fn commands_print_what_the_transcripts_say() {
    let cases = trycmd::TestCases::new();
    // What the environment of whoever runs the tests sets must not show.
    for variable in [
        "SEALWIRE_MANIFEST",
        "SEALWIRE_MASTER_KEY",
        "SEALWIRE_DATABASE",
        "SEALWIRE_CONFIG",
        "SEALWIRE_LISTEN",
        "SEALWIRE_SERVER",
    ] {
        assert!(
            std::env::var_os(variable).is_none(),
            "unset `{variable}` before running the tests"
        );
    }
    cases.case("tests/cmd/*.trycmd");
}
