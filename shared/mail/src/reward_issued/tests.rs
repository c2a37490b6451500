#![expect(clippy::unwrap_used, reason = "a test may panic")]

use super::*;
use crate::Mailbox;
use crate::address::AddressError;

const VOUCHER: Voucher<'_> = Voucher {
    code: "FRIEND-7KQ2",
    expires_at: None,
};

fn reward<'a>(gift: Gift<'a>) -> RewardIssued<'a> {
    RewardIssued {
        language: Language::English,
        program_name: "Joe's Artisan Bakery",
        first_name: Some("Ann"),
        beneficiary: Beneficiary::Referrer,
        gift,
        shop_url: Some("https://bakery.example/"),
        unsubscribe_url: "https://refer.example/u/abc",
        postal_address: None,
    }
}

fn compose(reward: &RewardIssued<'_>) -> Mail {
    let sender: Mailbox = "refer@kith.example".parse().unwrap();
    reward
        .compose(&Envelope {
            sender: &sender,
            to: "ann@example.com",
            message_id: "msg_1",
        })
        .unwrap()
}

#[test]
fn cash_for_a_referrer_reads_so() {
    let mail = compose(&reward(Gift::Cash {
        minor: 500,
        currency: "EUR",
    }));
    assert_eq!(
        mail.subject(),
        "Thank you: 5.00 EUR from Joe's Artisan Bakery"
    );
    assert_eq!(
        mail.text(),
        "Hello Ann,

Thank you for recommending Joe's Artisan Bakery! Somebody followed your recommendation, and here is your reward:

    5.00 EUR

It has been added to your balance. There is nothing you need to do.

Visit Joe's Artisan Bakery:
https://bakery.example/

--
You get this mail because you take part in the referral program of Joe's Artisan Bakery.
To get no more mail from it:
https://refer.example/u/abc"
    );
}

#[test]
fn a_discount_for_a_referee_reads_so() {
    let expires_at = Some("2026-12-31T23:59:00Z".parse().unwrap());
    let voucher = Voucher {
        expires_at,
        ..VOUCHER
    };
    let mail = compose(&RewardIssued {
        beneficiary: Beneficiary::Referee,
        first_name: None,
        shop_url: None,
        postal_address: Some("1 Mill Lane, Bath"),
        ..reward(Gift::DiscountShare {
            basis_points: 1_250,
            voucher,
        })
    });
    assert_eq!(
        mail.subject(),
        "Welcome: 12.5% off from Joe's Artisan Bakery"
    );
    assert_eq!(
        mail.text(),
        "Hello,

Welcome to Joe's Artisan Bakery! You came on a friend's recommendation, and here is your gift:

    12.5% off

Your voucher code:

    FRIEND-7KQ2

Enter it at the checkout. It is valid until 31 December 2026, 23:59 UTC.

--
You get this mail because you take part in the referral program of Joe's Artisan Bakery.
To get no more mail from it:
https://refer.example/u/abc

Joe's Artisan Bakery, 1 Mill Lane, Bath"
    );
    assert!(mail.html().contains(">FRIEND-7KQ2<") && mail.html().contains("1 Mill Lane, Bath"));
}

#[test]
fn every_gift_has_its_words() {
    let voucher = VOUCHER;
    let cases = [
        (
            Gift::Cash {
                minor: 1_200,
                currency: "JPY",
            },
            "1,200 JPY",
        ),
        (Gift::Points { points: 1 }, "1 point"),
        (Gift::Points { points: 1_200 }, "1,200 points"),
        (
            Gift::DiscountShare {
                basis_points: 1_000,
                voucher,
            },
            "10% off",
        ),
        (
            Gift::DiscountAmount {
                minor: 500,
                currency: "EUR",
                voucher,
            },
            "5.00 EUR off",
        ),
    ];
    for (gift, label) in cases {
        let mail = compose(&reward(gift));
        assert_eq!(
            mail.subject(),
            format!("Thank you: {label} from Joe's Artisan Bakery")
        );
        assert!(mail.html().contains(&format!(">{label}</p>")));
        let voucher = mail.text().contains("FRIEND-7KQ2") && mail.html().contains("FRIEND-7KQ2");
        let balance = mail.text().contains("your balance") && mail.html().contains("your balance");
        assert_ne!(voucher, balance, "{label}");
    }
}

/// Names come from strangers, and a mail is a web page in the reader's mail program.
#[test]
fn hostile_names_stay_text() {
    let mail = compose(&RewardIssued {
        program_name: "<script>alert(1)</script>\r\nBcc: eve@example.com & \"Söhne\"",
        first_name: Some("<img onerror=x>"),
        ..reward(Gift::DiscountShare {
            basis_points: 100,
            voucher: Voucher {
                code: "\"><b>",
                expires_at: None,
            },
        })
    });
    assert!(
        !mail.html().contains("<script")
            && !mail.html().contains("<img")
            && !mail.html().contains("\"><b>")
    );
    assert!(mail.html().contains("&#60;script&#62;"));
    assert!(
        mail.html()
            .contains("Hello <bdi>&#60;img onerror=x&#62;</bdi>,")
    );
    assert_eq!(
        mail.subject(),
        "Thank you: 1% off from <script>alert(1)</script> Bcc: eve@example.com & \"Söhne\""
    );
    assert!(!mail.from().to_header().contains(['\r', '\n']));
    for header in mail.headers() {
        assert!(!header.value().contains(['\r', '\n']));
    }
}

#[test]
fn other_scripts_pass_unharmed() {
    let mail = compose(&RewardIssued {
        program_name: "مخبز الورد 🌹",
        first_name: Some("\u{202E}עומר"),
        ..reward(Gift::Points { points: 5 })
    });
    assert_eq!(mail.subject(), "Thank you: 5 points from مخبز الورد 🌹");
    assert!(mail.text().starts_with("Hello עומר,\n"));
    assert!(mail.html().contains("<bdi>עומר</bdi>"));
    assert!(!mail.html().contains('\u{202E}'));
}

#[test]
fn both_ways_to_unsubscribe_are_there() {
    let mail = compose(&reward(Gift::Points { points: 5 }));
    let headers: Vec<_> = mail
        .headers()
        .iter()
        .map(|h| (h.name(), h.value()))
        .collect();
    assert!(headers.contains(&("List-Unsubscribe", "<https://refer.example/u/abc>")));
    assert!(headers.contains(&("List-Unsubscribe-Post", "List-Unsubscribe=One-Click")));
    assert!(mail.html().contains("href=\"https://refer.example/u/abc\""));
}

/// No picture, no script, no style sheet from elsewhere: opening the mail tells nobody anything.
#[test]
fn nothing_is_loaded_when_the_mail_is_opened() {
    let html = compose(&reward(Gift::DiscountShare {
        basis_points: 100,
        voucher: VOUCHER,
    }))
    .html()
    .to_lowercase();
    for sign in [
        "<img",
        "src=",
        "url(",
        "<link",
        "<script",
        "@import",
        "background=",
    ] {
        assert!(!html.contains(sign), "{sign}");
    }
}

#[test]
fn what_can_never_be_sent_is_told_apart() {
    let sender: Mailbox = "refer@kith.example".parse().unwrap();
    let send = |reward: &RewardIssued<'_>, to: &str, id: &str| {
        reward
            .compose(&Envelope {
                sender: &sender,
                to,
                message_id: id,
            })
            .map(|_| ())
    };
    let good = reward(Gift::Points { points: 5 });
    assert!(send(&good, "ann@example.com", "msg_1").is_ok());
    assert!(matches!(
        send(&good, "ann", "msg_1"),
        Err(MailError::Address(AddressError::Malformed))
    ));
    assert!(matches!(
        send(&good, "ann@example.com", "msg 1"),
        Err(MailError::MessageId)
    ));
    let bad = RewardIssued {
        shop_url: Some("javascript:alert(1)"),
        ..good.clone()
    };
    assert!(matches!(
        send(&bad, "ann@example.com", "msg_1"),
        Err(MailError::Link(_))
    ));
    let bad = RewardIssued {
        unsubscribe_url: "",
        ..good
    };
    assert!(matches!(
        send(&bad, "ann@example.com", "msg_1"),
        Err(MailError::Link(_))
    ));
    let bad = reward(Gift::Cash {
        minor: 1,
        currency: "EURO",
    });
    assert!(matches!(
        send(&bad, "ann@example.com", "msg_1"),
        Err(MailError::Currency)
    ));
}
