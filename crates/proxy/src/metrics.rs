//! What the proxy tells Prometheus. Names of metrics are part of the interface; no label is ever a
//! value, a text, or something that a client chooses freely.

use std::fmt::{self, Write};
use std::sync::Arc;

use prometheus_client::collector::Collector;
use prometheus_client::encoding::text::encode;
use prometheus_client::encoding::{
    DescriptorEncoder, EncodeLabelSet, EncodeLabelValue, EncodeMetric, LabelValueEncoder,
};
use prometheus_client::metrics::MetricType;
use prometheus_client::metrics::counter::{ConstCounter, Counter};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::registry::{Registry, Unit};
use sealwire::{MemoryLimit, Statistics};

/// How a connection ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum End {
    /// One of the peers closed it in order.
    Closed,
    /// The proxy was told to stop.
    Stopped,
    /// There were too many.
    TooMany,
    /// It began with something that is not PostgreSQL's protocol, or not as configured.
    BadStart,
    /// It took too long to begin.
    SlowStart,
    /// It had not said what it wants when its room was needed.
    GaveWay,
    /// The server refused, or ended it before it was authenticated.
    NotAuthenticated,
    /// The manifest or the keys cannot be had, or do not fit the database.
    Encryption,
    /// The server could not be reached.
    NoServer,
    /// The client broke the protocol.
    ClientFault,
    /// The server broke the protocol, or a limit was reached.
    ServerFault,
    /// The client's transport failed.
    ClientLost,
    /// The server's transport failed, or ended without a word.
    ServerLost,
    /// A fault of this program.
    Panicked,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct EndLabels {
    end: End,
}

/// A part of a connection's beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Phase {
    /// From the client's first byte to its startup message, TLS included.
    Startup,
    /// Connecting to the server, TLS included.
    Dial,
    /// From the startup message to the first ReadyForQuery: authentication, manifest, catalogue.
    Session,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct PhaseLabels {
    phase: Phase,
}

/// The metrics.
pub(crate) struct Metrics {
    registry: Registry,
    pub(crate) connections: Gauge,
    pub(crate) beginning: Gauge,
    accepted: Counter,
    ended: Family<EndLabels, Counter>,
    phases: Family<PhaseLabels, Histogram, fn() -> Histogram>,
    pub(crate) cancels: Counter,
    pub(crate) reloads: Counter,
    pub(crate) failed_reloads: Counter,
}

impl fmt::Debug for Metrics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Metrics")
    }
}

fn seconds() -> Histogram {
    Histogram::new(exponential_buckets(0.000_25, 4.0, 10))
}

impl Metrics {
    /// `statistics` is what the relays have done, `memory` what they hold, `limit` how many
    /// connections there may be.
    pub(crate) fn new(
        statistics: impl Fn() -> Statistics + Send + Sync + 'static,
        memory: MemoryLimit,
        limit: usize,
    ) -> Self {
        let mut registry = Registry::with_prefix("sealwire");
        let connections = Gauge::default();
        registry.register("connections", "Connections of clients", connections.clone());
        let beginning = Gauge::default();
        registry.register(
            "connections_beginning",
            "Connections that are not ready for statements yet, cancel requests among them",
            beginning.clone(),
        );
        let limit = ConstGauge::new(i64::try_from(limit).unwrap_or(i64::MAX));
        registry.register("connections_limit", "Connections that there may be", limit);
        let accepted = Counter::default();
        registry.register(
            "connections_accepted",
            "Connections accepted",
            accepted.clone(),
        );
        let ended = Family::<EndLabels, Counter>::default();
        registry.register(
            "connections_ended",
            "Connections ended, by reason",
            ended.clone(),
        );
        let phases = Family::new_with_constructor(seconds as fn() -> Histogram);
        registry.register_with_unit(
            "connection_phase",
            "How long the parts of a connection's beginning took",
            Unit::Seconds,
            phases.clone(),
        );
        // A counter that begins to exist with its first event has no rate at that event.
        for end in End::ALL {
            drop(ended.get_or_create(&EndLabels { end }));
        }
        for phase in [Phase::Startup, Phase::Dial, Phase::Session] {
            drop(phases.get_or_create(&PhaseLabels { phase }));
        }
        let cancels = Counter::default();
        registry.register(
            "cancel_requests",
            "Requests to cancel a statement",
            cancels.clone(),
        );
        let reloads = Counter::default();
        registry.register(
            "reloads",
            "Times that the manifest was read again",
            reloads.clone(),
        );
        let failed_reloads = Counter::default();
        registry.register(
            "reloads_failed",
            "Times that it could not be used and the old one stayed",
            failed_reloads.clone(),
        );
        registry.register_collector(Box::new(Relays {
            statistics: Arc::new(statistics),
            memory,
        }));
        Self {
            registry,
            connections,
            beginning,
            accepted,
            ended,
            phases,
            cancels,
            reloads,
            failed_reloads,
        }
    }

    pub(crate) fn accepted(&self) {
        self.accepted.inc();
    }

    pub(crate) fn ended(&self, end: End) {
        self.ended.get_or_create(&EndLabels { end }).inc();
    }

    pub(crate) fn phase(&self, phase: Phase, took: std::time::Duration) {
        self.phases
            .get_or_create(&PhaseLabels { phase })
            .observe(took.as_secs_f64());
    }

    /// The text that Prometheus reads.
    pub(crate) fn text(&self) -> Result<String, fmt::Error> {
        let mut text = String::new();
        encode(&mut text, &self.registry)?;
        Ok(text)
    }
}

/// What the relays have done and what they hold, read when it is asked for.
struct Relays {
    statistics: Arc<dyn Fn() -> Statistics + Send + Sync>,
    memory: MemoryLimit,
}

impl fmt::Debug for Relays {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Relays")
    }
}

impl Collector for Relays {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> Result<(), fmt::Error> {
        let now = (self.statistics)();
        let done = now.done;
        let mut statements = encoder.encode_descriptor(
            "statements",
            "Statement texts prepared or sent as simple queries, by verdict",
            None,
            MetricType::Counter,
        )?;
        for (verdict, count) in [
            ("plain", done.statements_plain),
            ("planned", done.statements_planned),
            ("refused", done.statements_refused),
        ] {
            let labels = [("verdict", verdict)];
            ConstCounter::new(count).encode(statements.encode_family(&labels)?)?;
        }
        let mut cells = encoder.encode_descriptor(
            "cells",
            "Cells, by what was done with them",
            None,
            MetricType::Counter,
        )?;
        for (done, count) in [
            ("sealed", done.cells_sealed),
            ("opened", done.cells_opened),
            ("rejected", done.cells_rejected),
        ] {
            let labels = [("done", done)];
            ConstCounter::new(count).encode(cells.encode_family(&labels)?)?;
        }
        for (name, help, count) in [
            (
                "key_requests",
                "Times that connections asked for keys",
                now.key_requests,
            ),
            (
                "key_failures",
                "Times that a key could not be had",
                now.key_failures,
            ),
        ] {
            let metric = encoder.encode_descriptor(name, help, None, MetricType::Counter)?;
            ConstCounter::new(count).encode(metric)?;
        }
        let waited = encoder.encode_descriptor(
            "key_wait",
            "How long connections have waited for keys",
            Some(&Unit::Seconds),
            MetricType::Counter,
        )?;
        ConstCounter::new(now.key_wait.as_secs_f64()).encode(waited)?;
        let held = encoder.encode_descriptor(
            "messages_held",
            "Messages that connections hold, beside 64 KiB of each",
            Some(&Unit::Bytes),
            MetricType::Gauge,
        )?;
        ConstGauge::new(i64::try_from(self.memory.used()).unwrap_or(i64::MAX)).encode(held)
    }
}

impl End {
    const ALL: [Self; 14] = [
        Self::Closed,
        Self::Stopped,
        Self::TooMany,
        Self::BadStart,
        Self::SlowStart,
        Self::GaveWay,
        Self::NotAuthenticated,
        Self::Encryption,
        Self::NoServer,
        Self::ClientFault,
        Self::ServerFault,
        Self::ClientLost,
        Self::ServerLost,
        Self::Panicked,
    ];
}

/// `TooMany` -> `too_many`, as Prometheus has it.
impl EncodeLabelValue for End {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        encoder.write_str(&self.to_string().replace(' ', "_"))
    }
}

impl EncodeLabelValue for Phase {
    fn encode(&self, encoder: &mut LabelValueEncoder<'_>) -> fmt::Result {
        encoder.write_str(match self {
            Self::Startup => "startup",
            Self::Dial => "dial",
            Self::Session => "session",
        })
    }
}

/// The reason in words, for logs.
impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // `TooMany` -> `too many`
        for (at, letter) in format!("{self:?}").char_indices() {
            if letter.is_ascii_uppercase() && at > 0 {
                f.write_char(' ')?;
            }
            f.write_char(letter.to_ascii_lowercase())?;
        }
        Ok(())
    }
}
