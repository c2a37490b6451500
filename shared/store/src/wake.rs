//! Wake-ups: what goes through the queues. A message means "go and read"; it carries ids only.

use kith_domain::id::{
    DeliveryId, EventId, MailId, MergeId, ParticipantId, PayoutId, ProgramId, RedemptionId,
    RewardId, SurveyId, WebhookId,
};
use kith_domain::words::words;
use serde::{Deserialize, Serialize};

use crate::item::text;
use crate::items::Wake;
use crate::keys::{EventRef, Key};

words! {
    /// A queue, by the work that it wakes.
    pub enum Queue {
        /// Rewards to release and disburse.
        Rewards = "rewards",
        /// Surveys to schedule, send and close.
        Surveys = "surveys",
        /// Mails that tell people what happened.
        Messages = "messages",
        /// Webhooks that tell endpoints what happened.
        Deliveries = "deliveries",
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
    /// What a merged participant has may have to be carried over.
    Merge {
        /// The program.
        #[serde(with = "text")]
        program_id: ProgramId,
        /// The merge.
        #[serde(with = "text")]
        merge_id: MergeId,
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
    /// An event may have to be delivered.
    Delivery {
        /// The program.
        #[serde(with = "text")]
        program_id: ProgramId,
        /// The endpoint.
        #[serde(with = "text")]
        webhook_id: WebhookId,
        /// The delivery.
        #[serde(with = "text")]
        delivery_id: DeliveryId,
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

    /// What is sent when an item is due, which its key tells. `None` for items that never are.
    pub(crate) fn of_item(key: &Key) -> Option<Wake> {
        let parts: Vec<&str> = key.pk.split('#').collect();
        let ["PROGRAM", program, kind, id] = parts.as_slice() else {
            return None;
        };
        let program_id = program.parse().ok()?;
        let (message, queue) = match (*kind, key.sk.split_once('#')) {
            ("REWARD", None) => {
                let reward_id = id.parse().ok()?;
                let message = Self::Reward {
                    program_id,
                    reward_id,
                };
                (message, Queue::Rewards)
            }
            ("PAYOUT", None) => {
                let payout_id = id.parse().ok()?;
                let message = Self::Payout {
                    program_id,
                    payout_id,
                };
                (message, Queue::Rewards)
            }
            ("PAYOUT", Some(("LINE", participant))) => {
                let message = Self::PayoutLine {
                    program_id,
                    payout_id: id.parse().ok()?,
                    participant_id: participant.parse().ok()?,
                };
                (message, Queue::Rewards)
            }
            ("PARTICIPANT", Some(("REDEMPTION", redemption))) => {
                let message = Self::Redemption {
                    program_id,
                    participant_id: id.parse().ok()?,
                    redemption_id: redemption.parse().ok()?,
                };
                (message, Queue::Rewards)
            }
            ("MERGE", None) => {
                let merge_id = id.parse().ok()?;
                let message = Self::Merge {
                    program_id,
                    merge_id,
                };
                (message, Queue::Rewards)
            }
            ("SURVEY", None) => {
                let survey_id = id.parse().ok()?;
                let message = Self::Survey {
                    program_id,
                    survey_id,
                };
                (message, Queue::Surveys)
            }
            ("WEBHOOK", None) => {
                let message = Self::Delivery {
                    program_id,
                    webhook_id: id.parse().ok()?,
                    delivery_id: key.sk.parse().ok()?,
                };
                (message, Queue::Deliveries)
            }
            ("MAIL", None) => {
                let mail_id = id.parse().ok()?;
                let message = Self::Mail {
                    program_id,
                    mail_id,
                };
                (message, Queue::Messages)
            }
            _ => return None,
        };
        Some(message.to(queue))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::keys;
    use jiff::Timestamp;

    /// Whoever makes something due finds its message here, or nobody is ever woken.
    #[test]
    fn the_key_of_what_is_due_tells_whom_to_wake() {
        let zero = Timestamp::UNIX_EPOCH;
        let program_id = ProgramId::new(zero, [1; 10]);
        let participant_id = ParticipantId::new(zero, [2; 10]);
        let reward_id = RewardId::new(zero, [3; 10]);
        let payout_id = PayoutId::new(zero, [4; 10]);
        let redemption_id = RedemptionId::new(zero, [5; 10]);
        let survey_id = SurveyId::new(zero, [6; 10]);
        let mail_id = MailId::new(zero, [7; 10]);
        let (webhook_id, delivery_id) = (
            WebhookId::new(zero, [9; 10]),
            DeliveryId::new(zero, [10; 10]),
        );
        let merge_id = MergeId::new(zero, [8; 10]);
        let reward = Message::Reward {
            program_id,
            reward_id,
        };
        let payout = Message::Payout {
            program_id,
            payout_id,
        };
        let line = Message::PayoutLine {
            program_id,
            payout_id,
            participant_id,
        };
        let redemption = Message::Redemption {
            program_id,
            participant_id,
            redemption_id,
        };
        let survey = Message::Survey {
            program_id,
            survey_id,
        };
        let merge = Message::Merge {
            program_id,
            merge_id,
        };
        let mail = Message::Mail {
            program_id,
            mail_id,
        };
        let delivery = Message::Delivery {
            program_id,
            webhook_id,
            delivery_id,
        };
        for (key, expected) in [
            (
                keys::delivery(program_id, webhook_id, delivery_id),
                delivery.to(Queue::Deliveries),
            ),
            (
                keys::reward(program_id, reward_id),
                reward.to(Queue::Rewards),
            ),
            (
                keys::payout(program_id, payout_id),
                payout.to(Queue::Rewards),
            ),
            (
                keys::payout_line(program_id, payout_id, participant_id),
                line.to(Queue::Rewards),
            ),
            (
                keys::redemption(program_id, participant_id, redemption_id),
                redemption.to(Queue::Rewards),
            ),
            (
                keys::survey(program_id, survey_id),
                survey.to(Queue::Surveys),
            ),
            (keys::mail(program_id, mail_id), mail.to(Queue::Messages)),
            (keys::merge(program_id, merge_id), merge.to(Queue::Rewards)),
        ] {
            assert_eq!(Message::of_item(&key), Some(expected), "{key}");
        }
        assert_eq!(Message::of_item(&keys::program(program_id)), None);
    }
}
