//! `/u/{token}`: the end of a program's mail to one person (RFC 8058). Never a redirect: mail
//! programs that unsubscribe for people follow none.

use std::sync::Arc;

use kith_contract::answers::Unsubscription;
use kith_domain::email::EmailHash;
use kith_domain::fact::{Fact, FactKind};
use kith_domain::participant::{Consent, Participant};
use kith_domain::token::UnsubscribeToken;
use kith_edge::Invocation;
use kith_edge::desk::View;
use kith_edge::http::{Problem, Request, Response};
use kith_edge::session::Ended;
use kith_pages::{Brand, Language, UnsubscribePage, Unsubscribed};
use kith_store::items::Suppression;
use kith_store::{Was, keys};

use crate::PublicPages;
use crate::page::{language, page, speaks_json};

/// Why an address gets no more mail, as it is stored.
const REASON: &str = "unsubscribed";
/// Where a consent came from, as it is stored.
const SOURCE: &str = "unsubscribe link";

/// Shows the button. Changes nothing.
///
/// # Errors
/// [`Ended`].
pub(crate) async fn show(
    pages: Arc<PublicPages>,
    request: Arc<Request>,
    invocation: Invocation,
) -> Result<Response, Ended> {
    let person = find(&pages, &request, &invocation).await?;
    if speaks_json(&request) {
        return Ok(person.as_json());
    }
    let brand = person.brand(&request);
    Ok(page(200, &UnsubscribePage { brand }.render()))
}

/// Unsubscribes, whatever the body says: mail programs send `List-Unsubscribe=One-Click`, and the
/// page's button the same. Safe to repeat.
///
/// # Errors
/// [`Ended`].
pub(crate) async fn confirm(
    pages: Arc<PublicPages>,
    request: Arc<Request>,
    invocation: Invocation,
) -> Result<Response, Ended> {
    let mut person = find(&pages, &request, &invocation).await?;
    if !person.is_unsubscribed() {
        let (view, present) = (&person.view, &person.participant);
        let changed = without_mail(present, view.now);
        let mut commit = view.commit();
        commit
            .participant(&changed, Was::Version(present.version))
            .fact(Fact {
                participant_id: Some(changed.id),
                ..Fact::new(FactKind::ParticipantUpdated)
            });
        if let Some(hash) = person.email_hash.filter(|_| !person.suppressed) {
            let suppression = Suppression {
                since: view.now,
                reason: REASON.to_owned(),
            };
            commit.suppress(view.program.id, &hash, &suppression);
        }
        view.write(commit).await?;
        person.participant = changed;
        person.suppressed = true;
    }
    if speaks_json(&request) {
        return Ok(person.as_json());
    }
    let brand = person.brand(&request);
    Ok(page(200, &Unsubscribed { brand }.render()))
}

/// Whom a token speaks for, and in which program.
struct Person {
    view: View,
    participant: Participant,
    email_hash: Option<EmailHash>,
    suppressed: bool,
}

async fn find(
    pages: &PublicPages,
    request: &Request,
    invocation: &Invocation,
) -> Result<Person, Ended> {
    let unknown = || Problem::not_found("subscription");
    let token = request
        .path_parameter("token")
        .and_then(|text| UnsubscribeToken::open(&pages.token_keys, &text))
        .ok_or_else(unknown)?;
    let key = keys::participant(token.program, token.participant);
    let mut view = pages
        .desk
        .view(invocation, token.program, [key.clone()])
        .await?
        .ok_or_else(unknown)?;
    tracing::Span::current().record("program.id", tracing::field::display(token.program));
    let participant = view.loaded.read::<Participant>(&key)?.ok_or_else(unknown)?;
    let program = token.program.to_string();
    let email_hash = participant
        .email
        .as_ref()
        .map(|address| address.hash(&pages.identity_key, &program));
    let suppressed = match email_hash {
        Some(hash) => {
            let key = keys::suppression(token.program, &hash);
            view.load([key.clone()]).await?;
            view.loaded.read::<Suppression>(&key)?.is_some()
        }
        None => false,
    };
    Ok(Person {
        view,
        participant,
        email_hash,
        suppressed,
    })
}

impl Person {
    fn is_unsubscribed(&self) -> bool {
        has_objected(&self.participant.consent) && (self.suppressed || self.email_hash.is_none())
    }

    fn brand(&self, request: &Request) -> Brand<'_> {
        let language = match &self.participant.locale {
            Some(locale) => Language::of_locale(Some(locale.as_str())),
            None => language(request),
        };
        Brand {
            language,
            ..Brand::of(self.view.program.name.as_str())
        }
    }

    fn as_json(&self) -> Response {
        let answer = Unsubscription {
            program: self.view.program.name.clone().into(),
            unsubscribed: self.is_unsubscribed(),
        };
        Response::json(200, &answer)
    }
}

fn has_objected(consent: &Consent) -> bool {
    consent.surveys == Some(false) && consent.marketing == Some(false)
}

/// The person, who wants no more mail.
fn without_mail(present: &Participant, now: jiff::Timestamp) -> Participant {
    let consent = Consent {
        surveys: Some(false),
        marketing: Some(false),
        recorded_at: Some(now),
        source: SOURCE.parse().ok(),
    };
    Participant {
        consent,
        version: present.version.saturating_add(1),
        ..present.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;
    use kith_domain::id::{ParticipantId, ProgramId};
    use kith_domain::participant::ParticipantState;

    #[test]
    fn unsubscribing_is_an_objection_to_everything_with_its_time_and_source() {
        let now: Timestamp = "2026-03-01T12:00:00Z".parse().unwrap();
        let present = Participant {
            id: ParticipantId::from_bytes([1; 16]),
            program: ProgramId::from_bytes([2; 16]),
            external_id: None,
            email: None,
            first_name: None,
            locale: None,
            consent: Consent {
                surveys: Some(true),
                ..Consent::default()
            },
            state: ParticipantState::Active,
            codes: Vec::new(),
            merged_into: None,
            merged_from: Vec::new(),
            created_at: now,
            recorded_by: None,
            version: 3,
        };
        assert!(!has_objected(&present.consent));
        let changed = without_mail(&present, now);
        assert!(has_objected(&changed.consent));
        assert_eq!(changed.consent.recorded_at, Some(now));
        assert_eq!(
            changed.consent.source.as_ref().map(AsRef::as_ref),
            Some(SOURCE)
        );
        assert_eq!(changed.version, 4);
    }
}
