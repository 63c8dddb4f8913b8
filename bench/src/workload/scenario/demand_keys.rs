//! What a scenario says of the work of a request: one demand by its law, or a list of stages, each with its kind and a law of its own.

use crate::workload::load::{DemandShape, RequestShape, Stage, Work};
use crate::workload::units::{PositiveSpan, Share};
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer, StrDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use std::fmt;

/// `{ kind = "fixed", value = "2ms" }`, or `[{ compute = "2ms" }, { wait = "10ms" }]`.
pub(super) enum FileDemands {
    One(FileDemand),
    Stages(Vec<FileStage>),
}

#[derive(serde::Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub(super) enum FileDemand {
    Fixed { value: PositiveSpan },
    Exponential { mean: PositiveSpan },
    Bimodal { short: PositiveSpan, long: PositiveSpan, long_share: Share },
    Pareto { least: PositiveSpan, most: PositiveSpan, shape: f64 },
    Poison { share: Share },
}

/// One key says what a stage does.
#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct FileStage {
    compute: Option<FileLaw>,
    wait: Option<FileLaw>,
    block: Option<FileLaw>,
}

/// How long a stage takes: `"2ms"`, or a law such as `{ kind = "exponential", mean = "2ms" }`.
struct FileLaw(FileDemand);

impl FileDemands {
    /// The request of this payload.
    ///
    /// # Errors
    /// What is wrong with it, in words.
    pub(super) fn request(&self, size: u32) -> Result<RequestShape, String> {
        match self {
            Self::One(demand) => Ok(RequestShape::new(size, demand.shape()?)),
            Self::Stages(stages) if stages.is_empty() => {
                let form = "give it a stage such as { compute = \"2ms\" }, or leave `demand` out";
                Err(format!("`demand` is an empty list; {form}"))
            }
            Self::Stages(stages) => {
                let stages = stages.iter().map(FileStage::stage).collect::<Result<_, _>>()?;
                Ok(RequestShape::of_stages(size, stages))
            }
        }
    }
}

impl FileDemand {
    fn shape(&self) -> Result<DemandShape, String> {
        Ok(match *self {
            Self::Fixed { value } => DemandShape::Fixed { value: value.0 },
            Self::Exponential { mean } => DemandShape::Exponential { mean: mean.0 },
            Self::Bimodal { long_share: Share(share), .. } if !(share > 0.0 && share < 1.0) => {
                return Err(format!("`long_share` is {share}; it must lie between 0 and 1"));
            }
            Self::Bimodal { short, long, long_share } => {
                DemandShape::Bimodal { short: short.0, long: long.0, long_share: long_share.0 }
            }
            Self::Pareto { least, most, shape } => {
                DemandShape::Pareto { least: least.0, most: most.0, shape }
            }
            Self::Poison { share } => DemandShape::Poison { share: share.0 },
        })
    }
}

impl FileStage {
    fn stage(&self) -> Result<Stage, String> {
        let kinds = [(Work::Compute, &self.compute), (Work::Wait, &self.wait), (Work::Block, &self.block)];
        let mut stated = kinds.into_iter().filter_map(|(work, law)| Some((work, law.as_ref()?)));
        match (stated.next(), stated.next()) {
            (Some((work, law)), None) => Ok(Stage { work, demand: law.0.shape()? }),
            (None, _) => {
                Err("a stage of `demand` is empty; write { compute = \"2ms\" }, { wait = \"10ms\" } or \
                              { block = \"5ms\" }"
                    .to_owned())
            }
            (Some(_), Some(_)) => {
                Err("a stage of `demand` has two kinds; what comes one after the other are two stages: \
                                       [{ compute = \"2ms\" }, { wait = \"10ms\" }]"
                    .to_owned())
            }
        }
    }
}

impl<'de> Deserialize<'de> for FileDemands {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = FileDemands;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a demand such as { kind = \"fixed\", value = \"2ms\" }, or a list of stages such as \
                     [{ compute = \"2ms\" }, { wait = \"10ms\" }]",
                )
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<FileDemands, A::Error> {
                FileDemand::deserialize(MapAccessDeserializer::new(map)).map(FileDemands::One)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<FileDemands, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(seq)).map(FileDemands::Stages)
            }
        }
        from.deserialize_any(Either)
    }
}

impl<'de> Deserialize<'de> for FileLaw {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = FileLaw;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(
                    "a time such as \"2ms\", or a law such as { kind = \"exponential\", mean = \"2ms\" }",
                )
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<FileLaw, E> {
                let value = PositiveSpan::deserialize(StrDeserializer::new(text))?;
                Ok(FileLaw(FileDemand::Fixed { value }))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<FileLaw, A::Error> {
                FileDemand::deserialize(MapAccessDeserializer::new(map)).map(FileLaw)
            }
        }
        from.deserialize_any(Either)
    }
}
