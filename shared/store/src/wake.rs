//! Wake-ups: what goes through the queues. A message means "go and read"; it carries ids only.

use kith_domain::id::{
    EventId, MailId, ParticipantId, PayoutId, ProgramId, RedemptionId, RewardId, SurveyId,
};
use kith_domain::words::words;
use serde::{Deserialize, Serialize};

use crate::item::text;
use crate::items::Wake;
use crate::keys::EventRef;

words! {
    /// A queue, by the work that it wakes.
    pub enum Queue {
        /// Rewards to release and disburse.
        Rewards = "rewards",
        /// Surveys to schedule, send and close.
        Surveys = "surveys",
        /// Mails that tell people what happened.
        Messages = "messages",
    }
}

/// The body of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum Message {
    /// A reward may be able to move on.
    Reward {
        /// The program.
        #[serde(with = "text")]
        program_id: ProgramId,
        /// The reward.
        #[serde(with = "text")]
        reward_id: RewardId,
    },
    /// A payout may have to be built.
    Payout {
        /// The program.
        #[serde(with = "text")]
        program_id: ProgramId,
        /// The payout.
        #[serde(with = "text")]
        payout_id: PayoutId,
    },
    /// The rewards of a payout's line may have to follow it.
    PayoutLine {
        /// The program.
        #[serde(with = "text")]
        program_id: ProgramId,
        /// The payout.
        #[serde(with = "text")]
        payout_id: PayoutId,
        /// Whose line.
        #[serde(with = "text")]
        participant_id: ParticipantId,
    },
    /// Lots and rewards may have to follow a redemption.
    Redemption {
        /// The program.
        #[serde(with = "text")]
        program_id: ProgramId,
        /// Who spent.
        #[serde(with = "text")]
        participant_id: ParticipantId,
        /// The redemption.
        #[serde(with = "text")]
        redemption_id: RedemptionId,
    },
    /// A survey may be due.
    Survey {
        /// The program.
        #[serde(with = "text")]
        program_id: ProgramId,
        /// The survey.
        #[serde(with = "text")]
        survey_id: SurveyId,
    },
    /// A mail may be stuck.
    Mail {
        /// The program.
        #[serde(with = "text")]
        program_id: ProgramId,
        /// The mail.
        #[serde(with = "text")]
        mail_id: MailId,
    },
    /// Facts were committed.
    Event {
        /// The program.
        #[serde(with = "text")]
        program_id: ProgramId,
        /// The event item.
        #[serde(with = "text")]
        event_id: EventId,
        /// Over how many shards its day was spread.
        shards: u8,
    },
}

impl Message {
    /// The message about an event.
    #[must_use]
    pub fn of_event(event: EventRef) -> Self {
        Self::Event {
            program_id: event.program,
            event_id: event.event,
            shards: event.shards,
        }
    }

    /// Addressed to a queue.
    #[must_use]
    pub fn to(self, queue: Queue) -> Wake {
        // Plain ids always write.
        Wake {
            queue,
            body: serde_json::to_string(&self).unwrap_or_default(),
        }
    }
}
