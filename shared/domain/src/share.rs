//! Ready-made addresses for passing a referral link on.

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, PercentEncode, utf8_percent_encode};

use crate::channel::Channel;
use crate::text::Name;

/// All but the unreserved characters of RFC 3986, section 2.3: right in a query and in `mailto`, where `+` is no space.
const COMPONENT: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'.')
    .remove(b'_')
    .remove(b'~');

/// The addresses behind the share buttons of one participant. Each carries the link with its channel (`ch`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ShareLinks {
    /// A mail to nobody yet (RFC 6068).
    pub email: String,
    /// WhatsApp's click-to-chat.
    pub whatsapp: String,
    /// A post on X.
    pub x: String,
    /// Facebook's sharer.
    pub facebook: String,
    /// LinkedIn's share page.
    pub linkedin: String,
    /// The picture of a QR code of the link.
    pub qr_svg: String,
}

impl ShareLinks {
    /// Writes the addresses for `link`, the participant's own, of the program called `program`; `qr_svg` is where we
    /// serve the picture. The words are a plain recommendation, for the person to change before sending.
    #[must_use]
    pub fn new(program: &Name, link: &str, qr_svg: String) -> Self {
        let words = format!("I thought you might like {program}");
        let by = |channel| channel_link(link, channel);
        let subject = encoded(&words);
        let body = format!("{words}:\r\n\r\n{}\r\n", by(Channel::Email));
        let chat = format!("{words}: {}", by(Channel::Whatsapp));
        let post = format!("{words}:");
        Self {
            email: format!("mailto:?subject={subject}&body={}", encoded(&body)),
            whatsapp: format!("https://wa.me/?text={}", encoded(&chat)),
            x: format!(
                "https://x.com/intent/post?text={}&url={}",
                encoded(&post),
                encoded(&by(Channel::X))
            ),
            facebook: format!(
                "https://www.facebook.com/sharer/sharer.php?u={}",
                encoded(&by(Channel::Facebook))
            ),
            linkedin: format!(
                "https://www.linkedin.com/sharing/share-offsite/?url={}",
                encoded(&by(Channel::Linkedin))
            ),
            qr_svg,
        }
    }
}

/// A referral link that says through which channel it was passed on; [`Channel::Link`] is the link itself.
#[must_use]
pub fn channel_link(link: &str, channel: Channel) -> String {
    if channel == Channel::Link {
        return link.to_owned();
    }
    let separator = if link.contains('?') { '&' } else { '?' };
    format!("{link}{separator}ch={channel}")
}

fn encoded(text: &str) -> PercentEncode<'_> {
    utf8_percent_encode(text, COMPONENT)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use url::Url;

    const LINK: &str = "https://refer.example/r/ANN-BAKES";

    fn shared(program: &str) -> Result<ShareLinks, crate::text::TextError> {
        Ok(ShareLinks::new(
            &program.parse()?,
            LINK,
            "https://refer.example/qr/ANN-BAKES".to_owned(),
        ))
    }

    #[test]
    fn every_button_carries_the_link_with_its_channel() -> Result<(), Box<dyn std::error::Error>> {
        let share = shared("Joe's Bread & Cakes")?;
        assert_eq!(
            share.email,
            "mailto:?subject=I%20thought%20you%20might%20like%20Joe%27s%20Bread%20%26%20Cakes&body=I%20thought%20you%20might%20like%20Joe%27s%20Bread%20%26%20Cakes%3A%0D%0A%0D%0Ahttps%3A%2F%2Frefer.example%2Fr%2FANN-BAKES%3Fch%3Demail%0D%0A"
        );
        assert_eq!(
            share.whatsapp,
            "https://wa.me/?text=I%20thought%20you%20might%20like%20Joe%27s%20Bread%20%26%20Cakes%3A%20https%3A%2F%2Frefer.example%2Fr%2FANN-BAKES%3Fch%3Dwhatsapp"
        );
        assert_eq!(
            share.x,
            "https://x.com/intent/post?text=I%20thought%20you%20might%20like%20Joe%27s%20Bread%20%26%20Cakes%3A&url=https%3A%2F%2Frefer.example%2Fr%2FANN-BAKES%3Fch%3Dx"
        );
        assert_eq!(
            share.facebook,
            "https://www.facebook.com/sharer/sharer.php?u=https%3A%2F%2Frefer.example%2Fr%2FANN-BAKES%3Fch%3Dfacebook"
        );
        assert_eq!(
            share.linkedin,
            "https://www.linkedin.com/sharing/share-offsite/?url=https%3A%2F%2Frefer.example%2Fr%2FANN-BAKES%3Fch%3Dlinkedin"
        );
        assert_eq!(share.qr_svg, "https://refer.example/qr/ANN-BAKES");
        Ok(())
    }

    #[test]
    fn the_bare_link_names_no_channel() {
        assert_eq!(channel_link(LINK, Channel::Link), LINK);
        assert_eq!(channel_link(LINK, Channel::Qr), format!("{LINK}?ch=qr"));
        assert_eq!(
            channel_link("https://refer.example/r/A?to=/x", Channel::Sms),
            "https://refer.example/r/A?to=/x&ch=sms"
        );
    }

    proptest! {
        /// A program's name is any text; it must not end a parameter, add a recipient, or break a header.
        #[test]
        fn no_name_breaks_an_address(name in "\\PC{1,60}") {
            let Ok(share) = shared(&name) else { return Ok(()) };
            for address in [&share.email, &share.whatsapp, &share.x, &share.facebook, &share.linkedin] {
                prop_assert!(address.bytes().all(|byte| byte.is_ascii_graphic()));
                let url = Url::parse(address).map_err(|error| TestCaseError::fail(error.to_string()))?;
                let values: Vec<String> = url.query_pairs().map(|(_, value)| value.into_owned()).collect();
                prop_assert!(values.len() <= 2 && values.iter().any(|value| value.contains(LINK)));
            }
            let mail = Url::parse(&share.email).map_err(|error| TestCaseError::fail(error.to_string()))?;
            prop_assert_eq!(mail.path(), "");
        }
    }
}
