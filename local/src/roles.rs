//! What a function's role allows, decided as IAM decides it: what a statement denies is refused, what
//! another allows is done, and what none speaks of is refused.

/// A function's role.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Role {
    /// Its name on this machine.
    pub name: String,
    /// The statements of all its policies.
    pub statements: Vec<Statement>,
}

/// A statement of a policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement {
    /// What becomes of a request that the rest fits.
    pub effect: Effect,
    /// Actions, such as `dynamodb:GetItem`, with `*` and `?` for what is open.
    pub actions: Vec<String>,
    /// ARNs, the same.
    pub resources: Vec<String>,
    /// All of these hold, or the statement says nothing.
    pub conditions: Vec<Condition>,
}

/// What a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    /// It allows.
    Allow,
    /// It denies, whatever others allow.
    Deny,
}

/// A condition of a statement.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Condition {
    /// How the request's value is compared.
    pub operator: Operator,
    /// Which value of the request, such as `ses:FromAddress`.
    pub key: String,
    /// One of these has to fit.
    pub values: Vec<String>,
}

/// How a condition compares. A template that names another is not started.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Operator {
    /// The same text.
    StringEquals,
    /// The same text, with `*` and `?` for what is open.
    StringLike,
}

impl Operator {
    pub(crate) fn of(name: &str) -> Option<Self> {
        match name {
            "StringEquals" => Some(Self::StringEquals),
            "StringLike" => Some(Self::StringLike),
            _ => None,
        }
    }
}

/// Keys of conditions that this machine knows the value of.
pub(crate) const KEYS: [&str; 1] = [FROM_ADDRESS];
/// The bare address that a mail comes from.
pub(crate) const FROM_ADDRESS: &str = "ses:FromAddress";

/// Something that is done under a function's role.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Use {
    /// The function's package.
    pub package: String,
    /// The action, such as `dynamodb:GetItem`.
    pub action: String,
    /// The ARN of what it is done to.
    pub resource: String,
}

/// What a role says to a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    Allowed,
    /// By a statement that denies.
    Denied,
    /// No statement speaks of it.
    NotAllowed,
}

impl Role {
    /// Decides about an action on a resource. `context` has the values that conditions may ask for.
    pub(crate) fn verdict(
        &self,
        action: &str,
        resource: &str,
        context: &[(&str, &str)],
    ) -> Verdict {
        let mut verdict = Verdict::NotAllowed;
        for statement in &self.statements {
            if statement.fits(action, resource, context) {
                match statement.effect {
                    Effect::Deny => return Verdict::Denied,
                    Effect::Allow => verdict = Verdict::Allowed,
                }
            }
        }
        verdict
    }

    /// Everything that the role allows, an action and a resource at a time, as they are written.
    pub fn grants(&self) -> impl Iterator<Item = (&str, &str)> {
        let allowing = self.statements.iter();
        let allowing = allowing.filter(|statement| statement.effect == Effect::Allow);
        allowing.flat_map(|statement| {
            let actions = statement.actions.iter();
            actions.flat_map(|action| {
                let resources = statement.resources.iter();
                resources.map(move |resource| (action.as_str(), resource.as_str()))
            })
        })
    }
}

impl Statement {
    fn fits(&self, action: &str, resource: &str, context: &[(&str, &str)]) -> bool {
        self.actions
            .iter()
            .any(|pattern| is_action(pattern, action))
            && self
                .resources
                .iter()
                .any(|pattern| is_resource(pattern, resource))
            && self
                .conditions
                .iter()
                .all(|condition| condition.holds(context))
    }
}

impl Condition {
    /// A request without the value does not meet it.
    fn holds(&self, context: &[(&str, &str)]) -> bool {
        let own = context.iter().find(|(key, _)| *key == self.key);
        own.is_some_and(|(_, own)| {
            self.values.iter().any(|value| match self.operator {
                Operator::StringEquals => value == own,
                Operator::StringLike => is_like(value, own, Star::Everything),
            })
        })
    }
}

/// Whether an action is meant by a statement's. Their names have no case.
#[must_use]
pub fn is_action(pattern: &str, action: &str) -> bool {
    let (pattern, action) = (pattern.to_ascii_lowercase(), action.to_ascii_lowercase());
    is_like(&pattern, &action, Star::Everything)
}

/// Whether a resource is meant by a statement's.
#[must_use]
pub fn is_resource(pattern: &str, resource: &str) -> bool {
    is_like(pattern, resource, Star::Segment)
}

/// What `*` stands for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Star {
    Everything,
    /// As far as the next colon, and beyond only where it ends a segment of the pattern.
    Segment,
}

fn is_like(pattern: &str, text: &str, star: Star) -> bool {
    let mut letters = pattern.chars();
    let Some(letter) = letters.next() else {
        return text.is_empty();
    };
    let (rest, mut left) = (letters.as_str(), text);
    match letter {
        '*' => {
            let is_last = rest.is_empty() || rest.starts_with(':');
            loop {
                if is_like(rest, left, star) {
                    return true;
                }
                let mut letters = left.chars();
                match letters.next() {
                    None => return false,
                    Some(':') if star == Star::Segment && !is_last => return false,
                    Some(_) => left = letters.as_str(),
                }
            }
        }
        '?' => {
            let mut letters = left.chars();
            let is_one = letters
                .next()
                .is_some_and(|letter| star == Star::Everything || letter != ':');
            is_one && is_like(rest, letters.as_str(), star)
        }
        letter => left
            .strip_prefix(letter)
            .is_some_and(|left| is_like(rest, left, star)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn statement(effect: Effect, action: &str, resource: &str) -> Statement {
        Statement {
            effect,
            actions: vec![action.to_owned()],
            resources: vec![resource.to_owned()],
            conditions: Vec::new(),
        }
    }

    #[test]
    fn patterns_stand_for_what_iam_says() {
        for (pattern, action, fits) in [
            ("dynamodb:GetItem", "dynamodb:GetItem", true),
            ("DynamoDB:getitem", "dynamodb:GetItem", true),
            ("dynamodb:Get", "dynamodb:GetItem", false),
            ("dynamodb:GetItem", "dynamodb:Get", false),
            ("dynamodb:*Item", "dynamodb:GetItem", true),
            ("dynamodb:???Item", "dynamodb:GetItem", true),
            ("dynamodb:??Item", "dynamodb:GetItem", false),
            ("dynamodb:*", "sqs:SendMessage", false),
            ("*", "sqs:SendMessage", true),
        ] {
            assert_eq!(is_action(pattern, action), fits, "{pattern} {action}");
        }
        let table = "arn:aws:dynamodb:eu:1:table/kith";
        for (pattern, fits) in [
            (table, true),
            ("arn:aws:dynamodb:eu:1:table/Kith", false),
            ("arn:aws:dynamodb:eu:1:table/kith/index/*", false),
            ("arn:aws:dynamodb:*:*:table/kith", true),
            ("arn:aws:dynamodb:eu:1:table/*", true),
            ("arn:aws:dynamodb:e?:1:table/kith", true),
            ("arn:aws:dynamodb:e?1:table/kith", false),
            // In the middle of a segment it ends with the segment...
            ("arn:aws:dyn*mo*/kith", false),
            // ...and at its end it goes on.
            ("arn:aws:*", true),
            ("*", true),
        ] {
            assert_eq!(is_resource(pattern, table), fits, "{pattern}");
        }
    }

    /// Order does not matter.
    #[test]
    fn a_denial_outweighs_every_allowance() {
        let allowing = statement(Effect::Allow, "sqs:*", "*");
        let denying = statement(Effect::Deny, "sqs:PurgeQueue", "*");
        for statements in [[allowing.clone(), denying.clone()], [denying, allowing]] {
            let role = Role {
                name: "worker".to_owned(),
                statements: statements.into(),
            };
            let verdict = |action| role.verdict(action, "arn:aws:sqs:eu:1:work", &[]);
            assert_eq!(verdict("sqs:SendMessage"), Verdict::Allowed);
            assert_eq!(verdict("sqs:PurgeQueue"), Verdict::Denied);
            assert_eq!(verdict("ses:SendEmail"), Verdict::NotAllowed);
        }
    }

    #[test]
    fn a_statement_counts_where_its_conditions_hold() {
        let mut mailing = statement(Effect::Allow, "ses:SendEmail", "*");
        let condition = |operator, values: &[&str]| Condition {
            operator,
            key: FROM_ADDRESS.to_owned(),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
        };
        for (operator, values, from, allowed) in [
            (Operator::StringEquals, vec!["a@x", "b@x"], "b@x", true),
            (Operator::StringEquals, vec!["a@x"], "A@x", false),
            (Operator::StringEquals, vec!["*@x"], "a@x", false),
            (Operator::StringLike, vec!["*@x"], "a@x", true),
            (Operator::StringLike, vec!["*@x"], "a@y", false),
        ] {
            mailing.conditions = vec![condition(operator, &values)];
            let fits = mailing.fits("ses:SendEmail", "any", &[(FROM_ADDRESS, from)]);
            assert_eq!(fits, allowed, "{operator:?} {values:?} {from}");
        }
        assert!(!mailing.fits("ses:SendEmail", "any", &[]));
    }
}
