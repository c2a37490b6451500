//! Writes clicks down.

use std::time::Duration;

use jiff::Timestamp;
use kith_domain::audit::Actor;
use kith_domain::channel::Channel;
use kith_domain::click::{CLICK_LIFE, click_id, hour_of};
use kith_domain::id::{ClickId, MailId};
use kith_domain::token::{RefererClass, Touch};
use kith_edge::Invocation;
use kith_edge::http::Request;
use kith_edge::visitor::DayKey;
use kith_store::StoreError;
use kith_store::items::ClickItem;
use kith_store::keys;

use crate::LinkCapture;
use crate::links::Link;

/// How long a visitor waits for the click to be written.
const WRITE_PATIENCE: Duration = Duration::from_millis(300);

/// One visit that counts.
#[derive(Debug, Clone)]
pub(crate) struct Click {
    /// Through which channel.
    pub(crate) channel: Channel,
    /// From what kind of place.
    pub(crate) referer: RefererClass,
    /// The mail that the link stood in.
    pub(crate) mail_id: Option<MailId>,
    /// Whose visit it was.
    pub(crate) identity: Identity,
    /// Who told of it; nobody, if a link was followed.
    pub(crate) recorded_by: Option<Actor>,
}

/// What a click says about its visitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Identity {
    /// The same visitor's clicks of the hour are one click, of this id.
    Visitor(ClickId),
    /// The visitor is not to be known again: the id is random within its hour.
    Nobody(ClickId),
}

impl Identity {
    /// The id of the click.
    pub(crate) fn click_id(self) -> ClickId {
        match self {
            Self::Visitor(id) | Self::Nobody(id) => id,
        }
    }
}

impl LinkCapture {
    /// The click of the visitor behind a request, who may be told apart from others.
    pub(crate) fn visitor(link: &Link, request: &Request, day_key: &DayKey) -> Identity {
        let visitor = day_key.visitor(request);
        let record = &link.record;
        Identity::Visitor(click_id(record.program_id, &record.code, visitor, link.now))
    }

    /// A click of nobody in particular.
    pub(crate) fn nobody(&self, now: Timestamp) -> Identity {
        Identity::Nobody(self.desk().id(hour_of(now)))
    }

    /// Writes a click, unless it is there already.
    ///
    /// # Errors
    /// [`StoreError`].
    pub(crate) async fn record(
        &self,
        invocation: &Invocation,
        link: &Link,
        click: &Click,
    ) -> Result<(), StoreError> {
        let expires_at = self.desk().real_now().checked_add(CLICK_LIFE);
        let item = ClickItem {
            id: click.identity.click_id(),
            code: link.record.code.clone(),
            referrer_id: link.record.participant_id,
            at: link.now,
            channel: click.channel,
            referer: click.referer.as_str().to_owned(),
            mail_id: click.mail_id,
            recorded_by: click.recorded_by,
            anonymous: matches!(click.identity, Identity::Nobody(_)),
            expires_at: expires_at.unwrap_or(Timestamp::MAX).as_second(),
        };
        let store = self.desk().store(invocation);
        let program = link.record.program_id;
        store
            .record_click(program, link.target.shards, &item)
            .await?;
        Ok(())
    }

    /// Writes a click, if it takes no longer than a visitor can be asked to wait. If it does, the
    /// click is lost, and the loss is counted: nobody is kept from where a link leads.
    pub(crate) async fn record_or_lose(&self, invocation: &Invocation, link: &Link, click: &Click) {
        let work = async {
            if !self.may_write(invocation, link).await {
                return Ok(false);
            }
            self.record(invocation, link, click).await.map(|()| true)
        };
        if !matches!(in_time(WRITE_PATIENCE, work).await, Ok(true)) {
            self.lose();
        }
    }

    /// Whether the link's bucket pays for a click. The first ones of a minute cost nobody a question.
    async fn may_write(&self, invocation: &Invocation, link: &Link) -> bool {
        let now = self.desk().real_now();
        let code = &link.record.code;
        let who = (link.mode, code.clone());
        if self.free_clicks.take(who.clone(), now) {
            return true;
        }
        let bucket = || keys::code_use(link.mode, code);
        let store = self.desk().store(invocation);
        let limit = self.clicks_per_link;
        let verdict = self.clicks.serve(who, bucket, limit, &store, now).await;
        verdict.admitted
    }

    /// Counts a click that could not be written.
    pub(crate) fn lose(&self) {
        self.lost.add(&self.metrics);
    }
}

/// What a token remembers of a click.
pub(crate) fn touch(link: &Link, click: &Click) -> Touch {
    Touch {
        click_id: click.identity.click_id(),
        code: link.record.code.clone(),
        at: whole_second(link.now),
        channel: click.channel,
        referer: click.referer,
    }
}

/// An instant without its fraction, as tokens keep it.
pub(crate) fn whole_second(at: Timestamp) -> Timestamp {
    Timestamp::from_second(at.as_second()).unwrap_or(at)
}

/// Waits for the table no longer than this.
pub(crate) async fn in_time<T>(
    patience: Duration,
    work: impl Future<Output = Result<T, StoreError>>,
) -> Result<T, StoreError> {
    match tokio::time::timeout(patience, work).await {
        Ok(done) => done,
        Err(elapsed) => Err(StoreError::Unavailable {
            doing: "waiting",
            source: elapsed.into(),
        }),
    }
}
