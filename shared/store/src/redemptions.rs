//! Spending points: the redemption, the lots that follow it, and whom to wake for that.

use kith_domain::redemption::Redemption;

use crate::commit::{Commit, Indexes, Write};
use crate::item::Entity;
use crate::items::{OpenRedemption, RedemptionName, RedemptionPart, Wake};
use crate::keys;
use crate::wake::{Message, Queue};
use crate::writes::Was;

impl Commit {
    /// A new redemption, under the shop's own name for it too.
    pub fn new_redemption(&mut self, redemption: &Redemption) -> &mut Self {
        let (program, participant) = (redemption.program, redemption.participant_id);
        let name = RedemptionName {
            redemption_id: redemption.id,
        };
        let key = keys::redemption_by_name(program, participant, &redemption.external_id);
        self.put(key, &name, Write::New, Indexes::default());
        self.redemption(redemption, None)
    }

    /// A redemption, as it was read before. While lots and rewards have to follow it, it is due, and
    /// stands among the participant's open ones.
    pub fn redemption(&mut self, next: &Redemption, before: Option<&Redemption>) -> &mut Self {
        let (program, participant) = (next.program, next.participant_id);
        let was = match before {
            Some(before) => Was::Version(before.version),
            None => Was::Absent,
        };
        let indexes = Indexes {
            due: next.open.then(|| self.lease()),
            ..Indexes::default()
        };
        let key = keys::redemption(program, participant, next.id);
        self.put(key, next, was.into(), indexes);
        let open = keys::open_redemption(program, participant, next.id);
        if next.open {
            let open_redemption = OpenRedemption {
                redemption_id: next.id,
                reversed: next.reversed_at.is_some(),
            };
            self.put(open, &open_redemption, Write::Overwrite, Indexes::default());
        } else if before.is_some_and(|before| before.open) {
            self.delete(OpenRedemption::KIND, open);
        }
        self
    }

    /// Has lots and rewards follow a redemption, or the rest of them.
    pub fn wake_redemption(&mut self, redemption: &Redemption) -> &mut Self {
        self.wake(message(redemption));
        self
    }

    /// Notes from which lots a part of a redemption was taken.
    pub fn redemption_part(&mut self, of: &Redemption, part: &RedemptionPart) -> &mut Self {
        let key = keys::redemption_part(of.program, of.participant_id, of.id, of.parts);
        self.put(key, part, Write::New, Indexes::default());
        self
    }

    /// What was noted was given back.
    pub fn no_redemption_part(&mut self, of: &Redemption, part: u32) -> &mut Self {
        let key = keys::redemption_part(of.program, of.participant_id, of.id, part);
        self.delete(RedemptionPart::KIND, key);
        self
    }
}

fn message(redemption: &Redemption) -> Wake {
    Message::Redemption {
        program_id: redemption.program,
        participant_id: redemption.participant_id,
        redemption_id: redemption.id,
    }
    .to(Queue::Rewards)
}
