//! The owner's own voucher codes: adding to a list, drawing from it, waiting for it.
//!
//! A code that is added becomes a voucher of nobody at once, so that no two lists hold the same one.
//! The list's own entries lie in the order of a digest, and whoever needs a code begins at a random
//! place, so that many at once do not fight for the first. A code is taken by deleting its entry in
//! the transaction that gives the voucher to somebody: two never get the same. How many were taken is counted over several
//! items, because one item that every draw wrote to would be the slowest of them all; the count
//! says when a list runs low, never whether a code can be had.

use jiff::Timestamp;
use kith_domain::code::VoucherCode;
use kith_domain::fact::{Fact, FactKind};
use kith_domain::id::{ProgramId, RewardId};
use kith_domain::reward::Reward;
use kith_domain::text::Slug;

use crate::commit::{Commit, Indexes, Write};
use crate::item::Entity;
use crate::items::{
    ListWarning, ListedVoucher, TakenVouchers, Voucher, VoucherList, WaitingReward,
};
use crate::keys::{self, Key};
use crate::store::{Loaded, Store, StoreError};
use crate::writes::Was;

/// How many codes are looked at for one: one of them at random is taken.
const LOOK: u16 = 8;
/// The version of a code in a list, and of its voucher, until it is taken.
const LISTED: u64 = 1;
/// A list is low when so many are left of those that there were: one in ten.
const LOW_PART: i64 = 10;

/// A list with its count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VoucherStock {
    /// The list.
    pub list: VoucherList,
    /// How many codes of it were taken.
    pub taken: i64,
}

impl VoucherStock {
    /// How many codes are left, as far as the counts have come.
    #[must_use]
    pub fn left(&self) -> i64 {
        self.list.added.saturating_sub(self.taken).max(0)
    }
}

/// A code that is to be taken.
#[derive(Debug, Clone)]
pub struct VoucherDraw {
    /// The code.
    pub code: VoucherCode,
    stock: VoucherStock,
    counter: Key,
    waiting: Option<WaitingReward>,
}

/// What a list gives to whoever needs a voucher.
#[derive(Debug, Clone)]
pub enum Drawn {
    /// The owner has no list: the code is generated.
    NoList,
    /// A code.
    Code(Box<VoucherDraw>),
    /// The list is empty.
    Empty(EmptyList),
}

/// A list without codes.
#[derive(Debug, Clone)]
pub struct EmptyList {
    list: VoucherList,
    waiting: Option<WaitingReward>,
}

impl EmptyList {
    /// Since when the reward waits, if it did before.
    #[must_use]
    pub fn since(&self) -> Option<Timestamp> {
        self.waiting.map(|waiting| waiting.since)
    }
}

fn counters(program: ProgramId, incentive: &Slug) -> Vec<Key> {
    (0..keys::LIST_COUNTERS)
        .map(|number| keys::voucher_list_taken(program, incentive, number))
        .collect()
}

fn stock_of(
    loaded: &Loaded,
    program: ProgramId,
    incentive: &Slug,
) -> Result<Option<VoucherStock>, StoreError> {
    let list: Option<VoucherList> = loaded.read(&keys::voucher_list(program, incentive))?;
    let Some(list) = list else {
        return Ok(None);
    };
    let mut taken = 0i64;
    for key in counters(program, incentive) {
        let counter: Option<TakenVouchers> = loaded.read(&key)?;
        taken = taken.saturating_add(counter.unwrap_or_default().taken);
    }
    Ok(Some(VoucherStock { list, taken }))
}

impl Store {
    /// The owner's list for an incentive, if there is one.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn voucher_stock(
        &self,
        program: ProgramId,
        incentive: &Slug,
    ) -> Result<Option<VoucherStock>, StoreError> {
        let mut wanted = counters(program, incentive);
        wanted.push(keys::voucher_list(program, incentive));
        stock_of(&self.get(wanted).await?, program, incentive)
    }

    /// Looks for a code of the owner's list, from a random place on. `reward` is who needs it, where
    /// it may have waited.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn draw_voucher(
        &self,
        program: ProgramId,
        incentive: &Slug,
        reward: Option<RewardId>,
        random: [u8; 18],
    ) -> Result<Drawn, StoreError> {
        let mut wanted = counters(program, incentive);
        wanted.push(keys::voucher_list(program, incentive));
        let waiting_at = reward.map(|reward| keys::waiting_for_voucher(program, incentive, reward));
        wanted.extend(waiting_at.clone());
        let loaded = self.get(wanted).await?;
        let Some(stock) = stock_of(&loaded, program, incentive)? else {
            return Ok(Drawn::NoList);
        };
        let waiting = match &waiting_at {
            Some(key) => loaded.read(key)?,
            None => None,
        };
        let [pick, count, start @ ..] = random;
        let found = self.listed_from(program, incentive, start).await?;
        let picked = usize::from(pick).checked_rem(found.len());
        let Some(picked) = picked.and_then(|at| found.into_iter().nth(at)) else {
            let list = stock.list;
            return Ok(Drawn::Empty(EmptyList { list, waiting }));
        };
        let counter = count.checked_rem(keys::LIST_COUNTERS).unwrap_or(0);
        Ok(Drawn::Code(Box::new(VoucherDraw {
            code: picked.code,
            stock,
            counter: keys::voucher_list_taken(program, incentive, counter),
            waiting,
        })))
    }

    /// Codes of a list from a place on, and from the beginning when there are none behind it.
    async fn listed_from(
        &self,
        program: ProgramId,
        incentive: &Slug,
        start: [u8; 16],
    ) -> Result<Vec<ListedVoucher>, StoreError> {
        let all = keys::listed_vouchers(program, incentive);
        let end = format!("{}~", all.sk);
        let from = Key {
            sk: format!("{}{}", all.sk, keys::hex(&start)),
            ..all.clone()
        };
        let found = self.between(&from, &end, LOOK).await?.items;
        if found.is_empty() {
            return Ok(self.between(&all, &end, LOOK).await?.items);
        }
        Ok(found)
    }
}

impl Commit {
    /// Takes a code from the owner's list and makes this voucher of it. Tells when the list runs low,
    /// and when it is empty.
    pub fn take_voucher(
        &mut self,
        program: ProgramId,
        incentive: &Slug,
        draw: &VoucherDraw,
        voucher: &Voucher,
    ) -> &mut Self {
        let listed = keys::listed_voucher(program, incentive, &draw.code);
        self.delete_version(ListedVoucher::KIND, listed, LISTED);
        self.add(TakenVouchers::KIND, draw.counter.clone(), &[("taken", 1)]);
        let list = &draw.stock.list;
        let left = draw.stock.left().saturating_sub(1);
        let warning = match list.told {
            _ if left <= 0 => Some(ListWarning::Empty),
            None if left <= list.low_at => Some(ListWarning::Low),
            None | Some(ListWarning::Low | ListWarning::Empty) => None,
        };
        if let Some(warning) = warning.filter(|warning| list.told != Some(*warning)) {
            self.warn_of_list(program, incentive, list, warning);
        }
        if let Some(waiting) = &draw.waiting {
            self.no_longer_waiting(program, incentive, waiting);
        }
        let taken = Voucher {
            version: LISTED.saturating_add(1),
            ..voucher.clone()
        };
        self.voucher(program, &taken, Was::Version(LISTED))
    }

    /// A reward waits for codes: it is looked at again at an instant of the program's clock, and
    /// when codes are added. That happens before this, or sees this: when it begins to wait, the list
    /// has to be as it was read.
    pub fn wait_for_voucher(
        &mut self,
        incentive: &Slug,
        reward: &Reward,
        was: Was,
        empty: &EmptyList,
        look_again_at: Timestamp,
    ) -> &mut Self {
        let program = reward.program;
        if empty.list.told != Some(ListWarning::Empty) {
            self.warn_of_list(program, incentive, &empty.list, ListWarning::Empty);
        } else if empty.waiting.is_none() {
            let key = keys::voucher_list(program, incentive);
            self.require_version(VoucherList::KIND, key, empty.list.version);
        }
        if empty.waiting.is_none() {
            let waiting = WaitingReward {
                reward_id: reward.id,
                since: self.now(),
                version: 1,
            };
            let key = keys::waiting_for_voucher(program, incentive, reward.id);
            self.put(key, &waiting, Write::New, Indexes::default());
        }
        self.held_reward(reward, was, look_again_at)
    }

    /// A reward that waited for codes needs none any more.
    pub fn no_longer_waiting(
        &mut self,
        program: ProgramId,
        incentive: &Slug,
        waiting: &WaitingReward,
    ) -> &mut Self {
        let key = keys::waiting_for_voucher(program, incentive, waiting.reward_id);
        self.delete_version(WaitingReward::KIND, key, waiting.version);
        self
    }

    fn warn_of_list(
        &mut self,
        program: ProgramId,
        incentive: &Slug,
        list: &VoucherList,
        warning: ListWarning,
    ) {
        let warned = VoucherList {
            told: Some(warning),
            version: list.version.saturating_add(1),
            ..list.clone()
        };
        let was = Write::Replace(list.version);
        let key = keys::voucher_list(program, incentive);
        self.put(key, &warned, was, Indexes::default());
        let told = Fact {
            rule_id: Some(incentive.clone()),
            ..Fact::new(FactKind::VoucherListLow)
        };
        // Many draws at once can empty a list before any of them sees it low: both are told then.
        if warning == ListWarning::Empty && list.told.is_none() {
            self.fact(told.clone());
        }
        self.fact(told);
    }

    /// Adds codes that are no vouchers yet, neither of this list nor in any other way. What is told of
    /// the list is told anew.
    pub fn add_vouchers(
        &mut self,
        program: ProgramId,
        incentive: &Slug,
        stock: Option<&VoucherStock>,
        codes: &[VoucherCode],
    ) -> VoucherStock {
        for code in codes {
            let listed = ListedVoucher {
                code: code.clone(),
                version: LISTED,
            };
            let key = keys::listed_voucher(program, incentive, code);
            self.put(key, &listed, Write::New, Indexes::default());
            self.voucher(program, &Voucher::listed(code.clone()), Was::Absent);
        }
        let (list, taken) = match stock {
            Some(stock) => (stock.list.clone(), stock.taken),
            None => (VoucherList::default(), 0),
        };
        let added = i64::try_from(codes.len()).unwrap_or(i64::MAX);
        let mut next = VoucherStock {
            list: VoucherList {
                added: list.added.saturating_add(added),
                low_at: 1,
                told: None,
                version: list.version.saturating_add(1),
            },
            taken,
        };
        let tenth = next.left().checked_div(LOW_PART).unwrap_or(0);
        next.list.low_at = tenth.max(1);
        let was = match stock {
            Some(stock) => Write::Replace(stock.list.version),
            None => Write::New,
        };
        let key = keys::voucher_list(program, incentive);
        self.put(key, &next.list, was, Indexes::default());
        next
    }
}
