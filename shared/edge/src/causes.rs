//! What caused a failure, on one line of the log.

use std::any::Any;
use std::error::Error;
use std::fmt;

/// Prints an error and its sources, joined by colons. A source that its error repeats is printed once.
#[derive(Debug)]
pub struct Causes<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Causes<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = self.0.to_string();
        f.write_str(&last)?;
        let mut next = self.0.source();
        while let Some(error) = next {
            let text = error.to_string();
            if !last.contains(&text) {
                write!(f, ": {text}")?;
            }
            last = text;
            next = error.source();
        }
        Ok(())
    }
}

/// What somebody who panicked said; it is a sentence of the program, with what it met.
pub(crate) fn last_words(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a word")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    enum Failed {
        #[error("the store failed")]
        Store(#[source] Box<Failed>),
        #[error("no answer")]
        NoAnswer,
    }

    #[test]
    fn the_whole_chain_is_one_line() {
        let error = Failed::Store(Box::new(Failed::Store(Box::new(Failed::NoAnswer))));
        assert_eq!(Causes(&error).to_string(), "the store failed: no answer");
    }
}
