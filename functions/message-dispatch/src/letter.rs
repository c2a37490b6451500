//! The mails: to a beneficiary of an issued reward, to the owner of an endpoint that was disabled.

use kith_domain::email::EmailAddress;
use kith_domain::id::MailId;
use kith_domain::participant::Participant;
use kith_domain::program::Program;
use kith_domain::reward::{Beneficiary, Discount, Reward, RewardValue};
use kith_domain::text::Name;
use kith_domain::webhook::{DisabledReason, Endpoint};
use kith_mail::{
    Envelope, Gift, Language, Mail, MailError, RewardIssued, Voucher, WebhookDisabled,
};

use kith_post::Post;

/// Why a letter cannot be written. Trying again with the same facts gives the same answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unwritable {
    /// Nothing can be said with what is known.
    #[error(transparent)]
    Mail(#[from] MailError),
    /// A discount without the voucher that it is handed out as.
    #[error("the reward has no voucher")]
    NoVoucher,
    /// Fewer than no points.
    #[error("the reward is worth less than nothing")]
    Negative,
}

/// Writes to a beneficiary.
pub(crate) fn of_reward(
    post: &Post,
    id: MailId,
    program: &Program,
    person: &Participant,
    reward: &Reward,
) -> Result<Mail, Unwritable> {
    let to = person.email.as_ref().map(|email| email.for_sending());
    let message_id = id.to_string();
    let envelope = Envelope {
        sender: &post.sender,
        to: to.as_deref().unwrap_or_default(),
        message_id: &message_id,
    };
    let locale = person.locale.as_ref().map(ToString::to_string);
    let unsubscribe_url = post.unsubscribe_url(person);
    let letter = RewardIssued {
        language: Language::of_locale(locale.as_deref()),
        program_name: program.name.as_str(),
        first_name: person.first_name.as_ref().map(Name::as_str),
        beneficiary: match reward.beneficiary {
            Beneficiary::Referrer | Beneficiary::Upline(_) => kith_mail::Beneficiary::Referrer,
            Beneficiary::Referee => kith_mail::Beneficiary::Referee,
        },
        gift: gift(reward)?,
        shop_url: Some(program.destination.as_str()),
        unsubscribe_url: &unsubscribe_url,
        postal_address: None,
    };
    Ok(letter.compose(&envelope)?)
}

/// Writes to the owner.
pub(crate) fn of_webhook(
    post: &Post,
    id: MailId,
    program: &Program,
    owner: &EmailAddress,
    endpoint: &Endpoint,
) -> Result<Mail, Unwritable> {
    let to = owner.for_sending();
    let (message_id, program_id) = (id.to_string(), program.id.to_string());
    let envelope = Envelope {
        sender: &post.sender,
        to: &to,
        message_id: &message_id,
    };
    let letter = WebhookDisabled {
        language: Language::of_locale(None),
        program_name: program.name.as_str(),
        program_id: &program_id,
        webhook_id: &endpoint.id.to_string(),
        host: endpoint.host(),
        is_gone: endpoint.disabled == Some(DisabledReason::Gone),
    };
    Ok(letter.compose(&envelope)?)
}

fn gift(reward: &Reward) -> Result<Gift<'_>, Unwritable> {
    let voucher = || {
        reward
            .voucher_code
            .as_ref()
            .map(|code| Voucher {
                code: code.as_str(),
                expires_at: reward.expires_at,
            })
            .ok_or(Unwritable::NoVoucher)
    };
    Ok(match reward.value {
        RewardValue::Cash(money) => Gift::Cash {
            minor: money.minor,
            currency: money.currency.code(),
        },
        RewardValue::Points(points) => Gift::Points {
            points: u64::try_from(points).map_err(|_| Unwritable::Negative)?,
        },
        RewardValue::Discount(Discount::BasisPoints(basis_points)) => Gift::DiscountShare {
            basis_points,
            voucher: voucher()?,
        },
        RewardValue::Discount(Discount::Amount(money)) => Gift::DiscountAmount {
            minor: money.minor,
            currency: money.currency.code(),
            voucher: voucher()?,
        },
        // The owner's name of a product is not the people's: the shop knows what the voucher is for.
        RewardValue::FreeProduct { quantity, .. } => Gift::FreeProduct {
            quantity,
            voucher: voucher()?,
        },
    })
}
