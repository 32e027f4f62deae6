//! Text in pieces is accepted exactly as the standard library accepts it whole, and refused at the same byte: I6.

use core::str;

use sansocket::frame::Utf8;

use super::Tape;

/// `data`: two cuts, then the text.
pub(crate) fn body(data: &[u8]) {
    let mut tape = Tape::new(data);
    let cuts = tape.cuts(data.len().saturating_sub(2));
    let text = tape.take(usize::MAX);
    let whole = str::from_utf8(text);
    let valid_up_to = whole.map_or_else(|error| error.valid_up_to(), str::len);
    let broken = whole.is_err_and(|error| error.error_len().is_some());

    let everywhere = Vec::from_iter(0..=text.len());
    for ends in [&[text.len()][..], &[cuts[0], cuts[1], text.len()], &everywhere] {
        let (mut utf8, mut out, mut at, mut failed) = (Utf8::new(), String::new(), 0, false);
        for end in ends {
            let pushed = utf8.push(&text[at..*end]);
            failed = pushed.is_err();
            let valid = pushed.unwrap_or_else(|invalid| invalid.valid);
            out.extend(valid.carried);
            out.push_str(valid.text);
            if failed {
                break;
            }
            assert!(utf8.missing() <= 3 && utf8.is_complete() == (utf8.missing() == 0));
            at = *end;
            let sure = str::from_utf8(&text[..at]).is_err_and(|error| error.error_len().is_some());
            assert!(!sure, "refused in the piece that has the bad byte");
        }
        assert_eq!(failed, broken);
        assert_eq!(out.as_bytes(), &text[..valid_up_to], "I6");
        assert!(failed || utf8.is_complete() == whole.is_ok());
    }
}
