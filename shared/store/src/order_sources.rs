//! Order sources and what became of what they told, as parts of a commit.

use kith_domain::id::{OrderSourceId, ProgramId};
use kith_domain::order_source::{OrderDelivery, OrderSource};

use crate::commit::{Commit, Indexes};
use crate::item::Entity;
use crate::keys;
use crate::writes::Was;

impl Commit {
    /// An order source.
    pub fn order_source(&mut self, source: &OrderSource, was: Was) -> &mut Self {
        let key = keys::order_source(source.program, source.id);
        self.put(key, source, was.into(), Indexes::default());
        self
    }

    /// There is no such order source any more.
    pub fn no_order_source(&mut self, program: ProgramId, source: OrderSourceId) -> &mut Self {
        self.delete(OrderSource::KIND, keys::order_source(program, source));
        self
    }

    /// What became of an event that was not recorded.
    pub fn order_delivery(&mut self, delivery: &OrderDelivery) -> &mut Self {
        let key = keys::order_delivery(delivery.program, delivery.source, delivery.id);
        self.put(key, delivery, Was::Absent.into(), Indexes::default());
        self
    }
}
