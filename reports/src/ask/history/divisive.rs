//! Change points of a series by E-divisive: where its distribution, not only its mean, becomes another.
//!
//! Source: Matteson, James: A nonparametric approach for multiple change point analysis of multivariate data, Journal of
//! the American Statistical Association 109 (2014). With `X` the `n` values before a place and `Y` the `m` values from it
//! on, the energy statistic (exponent 1) is
//!
//! `E = 2/(nm) sum |x-y| - 1/C(n,2) sum |x-x'| - 1/C(m,2) sum |y-y'|`, and `Q = nm/(n+m) E`.
//!
//! The place of the largest `Q` is the candidate; `Y` may also end before the segment does, so that a second change behind
//! the first does not hide it. A permutation test decides: the values of each segment found so far are shuffled within it,
//! and the largest `Q` anywhere is taken, [`PERMUTATIONS`] times. If at most a share [`LEVEL`] of them (the real order
//! included) reach the candidate's, the segment is split there and the search goes on; otherwise it ends.
//!
//! Shuffling takes values within a segment as exchangeable. Runs whose machine drifts from one to the next are not: with a
//! correlation of 0.5 between neighbours 15 % of series of 15 runs and 26 % of series of 30 would alarm. So what neighbours have in
//! common is estimated first (`persistence`), and where they have something, the other orders are series of the same innovations
//! with that correlation (a sieve bootstrap: Bühlmann, Bernoulli 3, 1997) instead of shuffles. Then 12 % and 5 % alarm, 3 % and 1 %
//! where neighbours have nothing in common: of so few runs the correlation is not well known. Nothing here knows what a value means, and nothing is drawn from anywhere but the seed.

use crate::stats::random::Random;

/// The chance of a change point in a series that has none. A history is for looking into things, not for failing a build,
/// but it tests dozens of series: at 1 % a hundred of them raise one false alarm (of fewer than 30 runs each, some more).
pub const LEVEL: f64 = 0.01;

/// Shuffles behind each test; the smallest p is then 0.002, and at [`LEVEL`] five of the
/// shuffles decide.
pub const PERMUTATIONS: u32 = 499;

/// The least values on either side of a change: one slow run is an outlier, three in a row are a change.
pub const SHORTEST: usize = 3;

/// The least values of a series that is tested. Of 10 values there are 252 ways to pick the 5 that go before; with fewer
/// values not even a perfect step can be told from chance at 1 %.
pub const ENOUGH: usize = 10;

/// Values that are looked at, the newest: the work grows with their square, and older changes were told before.
pub const LONGEST: usize = 200;

/// Where a series changes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ChangePoint {
    /// The first value of the new segment, by its place in the series.
    pub at: usize,
    /// The p of its test.
    pub p: f64,
}

/// A segment with its best place to split, if it is long enough to have one.
struct Segment {
    begin: usize,
    end: usize,
    best: Option<(usize, f64)>,
}

/// The change points of `values`, ascending. All must be finite; of more than [`LONGEST`] only the newest count.
///
/// # Panics
/// If a value is not finite.
pub fn change_points(values: &[f64], seed: u64) -> Vec<ChangePoint> {
    assert!(values.iter().all(|value| value.is_finite()), "a distance to infinity is no number");
    let skipped = values.len().saturating_sub(LONGEST);
    let values = &values[skipped..];
    if values.len() < ENOUGH {
        return Vec::new();
    }
    let mut random = Random::named(seed, &["divisive"]);
    let mut segments = vec![segment(values, 0, values.len())];
    let mut found = Vec::new();
    while let Some((nth, at, q)) = candidate(&segments) {
        let Some(p) = significance(values, &segments, q, &mut random) else { break };
        found.push(ChangePoint { at: skipped + at, p });
        let Segment { begin, end, .. } = segments[nth];
        segments.splice(nth..=nth, [segment(values, begin, at), segment(values, at, end)]);
    }
    found.sort_by_key(|change| change.at);
    found
}

fn segment(values: &[f64], begin: usize, end: usize) -> Segment {
    let best = best_split(&values[begin..end]).map(|(at, q)| (begin + at, q));
    Segment { begin, end, best }
}

/// The segment, the place and the statistic of the best split of all; of equals the first.
fn candidate(segments: &[Segment]) -> Option<(usize, usize, f64)> {
    let all = segments.iter().enumerate().filter_map(|(nth, one)| one.best.map(|(at, q)| (nth, at, q)));
    all.reduce(|best, one| if one.2 > best.2 { one } else { best })
}

/// The p of a candidate's statistic; `None` when it is above [`LEVEL`], which is known before all shuffles are done.
fn significance(values: &[f64], segments: &[Segment], q: f64, random: &mut Random) -> Option<f64> {
    // The same values in another order give the same sum but for its rounding.
    let reached = q * (1.0 - 1e-9);
    let most = (LEVEL * f64::from(PERMUTATIONS + 1)).floor() as u32;
    let nulls = Nulls::of(values, segments);
    let mut other = values.to_vec();
    // The real order is one of the orders.
    let mut count = 1;
    for _ in 0..PERMUTATIONS {
        let largest = segments.iter().filter_map(|one| {
            let part = &mut other[one.begin..one.end];
            nulls.draw(part, random);
            best_split(part).map(|(_, q)| q)
        });
        count += u32::from(largest.fold(f64::NEG_INFINITY, f64::max) >= reached);
        if count > most {
            return None;
        }
    }
    Some(f64::from(count) / f64::from(PERMUTATIONS + 1))
}

/// Series without a change, to hold a candidate against.
struct Nulls {
    /// The correlation of neighbours.
    persistence: f64,
    /// What each value adds to what it has from the one before. Empty without persistence.
    innovations: Vec<f64>,
}

/// Values that are drawn before a series begins, so that it does not begin at its mean.
const BEFORE: usize = 32;

impl Nulls {
    fn of(values: &[f64], segments: &[Segment]) -> Self {
        // In pieces: a change must not pass for persistence.
        let parts: Vec<Vec<f64>> =
            segments.iter().flat_map(|one| pieces(&values[one.begin..one.end], false)).collect();
        let persistence = persistence(&parts).clamp(0.0, MOST_PERSISTENT);
        let pairs = || parts.iter().flat_map(|part| part.windows(2));
        let mut innovations: Vec<f64> = match persistence {
            0.0 => Vec::new(),
            share => pairs().map(|pair| pair[1] - share * pair[0]).collect(),
        };
        // The means that were taken off took some of the spread along.
        let (all, lost) = (values.len() as f64, parts.len() as f64 + 1.0);
        let spread = (all / (all - lost).max(1.0)).sqrt();
        innovations = centred(&innovations).into_iter().map(|one| one * spread).collect();
        Self { persistence, innovations }
    }

    /// Puts a series without a change in the place of a segment, or another order of its values.
    fn draw(&self, part: &mut [f64], random: &mut Random) {
        if self.innovations.is_empty() {
            shuffle(part, random);
            return;
        }
        let mut value = 0.0;
        let mut next = || {
            value = self.persistence * value + self.innovations[random.below(self.innovations.len())];
            value
        };
        (0..BEFORE).for_each(|_| {
            next();
        });
        part.iter_mut().for_each(|one| *one = next());
    }
}

fn centred(values: &[f64]) -> Vec<f64> {
    let mean = values.iter().sum::<f64>() / values.len().max(1) as f64;
    values.iter().map(|value| value - mean).collect()
}

/// The correlation of neighbours within parts that have a mean of 0 each. Of `n` values in `k` parts
/// an estimate is too low by about `k (1 + 3 x) / n` (Kendall, Biometrika 41, 1954), which is put back.
fn persistence(parts: &[Vec<f64>]) -> f64 {
    let sum = |of: &dyn Fn(&[f64]) -> f64| parts.iter().map(|part| of(part)).sum::<f64>();
    let squares = sum(&|part| part.iter().map(|value| value * value).sum());
    let products = sum(&|part| part.windows(2).map(|pair| pair[0] * pair[1]).sum());
    let (n, k) = (sum(&|part| part.len() as f64), parts.len() as f64);
    if squares <= 0.0 || n <= 3.0 * k {
        return 0.0;
    }
    (products / squares * n + k) / (n - 3.0 * k)
}

/// A part of a series in pieces, each centred: where it would be split, and again where a split explains nearly all of what is
/// left, as only a change does. Pieces of one value tell nothing of neighbours.
fn pieces(part: &[f64], again: bool) -> Vec<Vec<f64>> {
    let squares = |part: &[f64]| centred(part).iter().map(|value| value * value).sum::<f64>();
    let apart = best_split(part).map(|(at, _)| [&part[..at], &part[at..]]);
    match apart {
        Some(apart)
            if !again || apart.map(squares).iter().sum::<f64>() < (1.0 - EXPLAINED) * squares(part) =>
        {
            apart.into_iter().flat_map(|piece| pieces(piece, true)).collect()
        }
        _ if part.len() < 2 => Vec::new(),
        _ => vec![centred(part)],
    }
}

/// The share of the spread that a split must explain to be taken for a change beside the one in question.
const EXPLAINED: f64 = 0.75;

/// More is not believed: of nearer to 1 there is no mean to come back to.
const MOST_PERSISTENT: f64 = 0.95;

/// Fisher and Yates.
fn shuffle(values: &mut [f64], random: &mut Random) {
    for at in (1..values.len()).rev() {
        values.swap(at, random.below(at + 1));
    }
}

/// The place with the largest `Q` and that `Q`; `None` when there is no room for two sides.
fn best_split(values: &[f64]) -> Option<(usize, f64)> {
    let count = values.len();
    if count < 2 * SHORTEST {
        return None;
    }
    let sums = Sums::of(values);
    let pairs = |n: usize| (n * (n - 1) / 2) as f64;
    let mut best = (SHORTEST, f64::NEG_INFINITY);
    for at in SHORTEST..=count - SHORTEST {
        let (row, own) = (sums.row(at), sums.square[at]);
        let before = own / (2.0 * pairs(at));
        for (end, rows) in row.iter().enumerate().skip(at + SHORTEST) {
            let (n, m) = (at as f64, (end - at) as f64);
            // Over the first `at` rows: all columns up to `end`, less those up to `at`.
            let between = 2.0 * (rows - own) / (n * m);
            // The square of `end` less its two sides up to `at`, whose common corner was taken twice.
            let within = (sums.square[end] - 2.0 * rows + own) / (2.0 * pairs(end - at));
            let q = n * m / (n + m) * (between - before - within);
            if q > best.1 {
                best = (at, q);
            }
        }
    }
    Some(best)
}

/// Sums of distances over rectangles of the matrix of all pairs, from its corner.
struct Sums {
    side: usize,
    /// `prefix[i * side + j]` is the sum over the first `i` rows and `j` columns.
    prefix: Vec<f64>,
    /// The sums over the first `i` rows and columns: every pair of the first `i` values twice.
    square: Vec<f64>,
}

impl Sums {
    fn of(values: &[f64]) -> Self {
        let side = values.len() + 1;
        let mut prefix = vec![0.0; side * side];
        for (row, x) in values.iter().enumerate() {
            let (above, below) = prefix.split_at_mut((row + 1) * side);
            let above = &above[row * side..];
            let mut of_row = 0.0;
            for ((y, above), sum) in values.iter().zip(&above[1..]).zip(&mut below[1..side]) {
                of_row += (x - y).abs();
                *sum = above + of_row;
            }
        }
        let square = (0..side).map(|at| prefix[at * side + at]).collect();
        Self { side, prefix, square }
    }

    /// The sums over the first `at` rows, by how many columns.
    fn row(&self, at: usize) -> &[f64] {
        &self.prefix[at * self.side..(at + 1) * self.side]
    }
}

#[cfg(test)]
mod tests;
