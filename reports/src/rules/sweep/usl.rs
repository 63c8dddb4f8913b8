//! Gunther's Universal Scalability Law, fitted to throughput over clients or over the server's CPUs.
//!
//! `X(N) = lambda N / (1 + sigma (N-1) + kappa N (N-1))`: lambda is the throughput of one client alone, sigma the share of
//! the work that queues for something shared (contention), kappa what clients cost each other pair by pair (coherency).
//! Source: Gunther, Guerrilla Capacity Planning (2007), chapters 4 to 6. Over clients, N counts clients and not processors, and
//! neither figure says anything of more cores; over cores it counts processors, as Gunther's own does.
//!
//! # The fit
//! Least squares of the relative deviation `X / X(N) - 1`. Written with a = 1/lambda, b = sigma/lambda, c = kappa/lambda the
//! deviation is `(X/N) (a + b (N-1) + c N (N-1)) - 1`, linear in a, b and c; with three unknowns that must not be negative the
//! best of the four cases of which of b and c are zero is exact. No start value, no iteration, no local minimum.

/// Points that a fit takes at least: two more than it has parameters.
pub(crate) const LEAST_POINTS: usize = 5;

/// The largest residual with which the law is said to hold, as a share. Throughput repeats to about 3 % between rounds; a
/// law that misses by three times that misses something systematic.
pub(crate) const MOST_RESIDUAL: f64 = 0.10;

/// A fitted law.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Usl {
    /// Throughput of one client alone, per second.
    pub lambda_per_s: f64,
    /// Contention, 0 or above.
    pub sigma: f64,
    /// Coherency, 0 or above.
    pub kappa: f64,
    /// Root mean square of the relative deviations, with three degrees of freedom taken off.
    pub residual: f64,
}

impl Usl {
    /// Throughput of `n` clients.
    pub fn at(&self, n: f64) -> f64 {
        self.lambda_per_s * n / (1.0 + self.sigma * (n - 1.0) + self.kappa * n * (n - 1.0))
    }

    /// The number of clients with the most throughput: `sqrt((1 - sigma) / kappa)`; `None` when it only rises.
    pub fn peak(&self) -> Option<f64> {
        (self.kappa > 0.0 && self.sigma < 1.0).then(|| ((1.0 - self.sigma) / self.kappa).sqrt())
    }

    /// Whether the curve may be called that of the law.
    pub fn holds(&self) -> bool {
        self.residual <= MOST_RESIDUAL
    }
}

/// The law through points of clients and throughput per second; the error says why there is none.
pub(crate) fn fit(points: &[(f64, f64)]) -> Result<Usl, String> {
    let points: Vec<(f64, f64)> = points.iter().copied().filter(|(n, x)| *n >= 1.0 && *x > 0.0).collect();
    if points.len() < LEAST_POINTS {
        return Err(format!(
            "the law takes {LEAST_POINTS} points with a throughput, and there are {}",
            points.len()
        ));
    }
    let row = |(n, x): &(f64, f64)| [1.0, n - 1.0, n * (n - 1.0)].map(|term| term * x / n);
    let rows: Vec<[f64; 3]> = points.iter().map(row).collect();
    let cases: [&[usize]; 4] = [&[0, 1, 2], &[0, 1], &[0, 2], &[0]];
    let solved = cases.iter().filter_map(|free| least_squares(&rows, free));
    let allowed = solved.filter(|[a, b, c]| *a > 0.0 && *b >= 0.0 && *c >= 0.0);
    let cost = |p: &[f64; 3]| rows.iter().map(|row| (dot(row, p) - 1.0).powi(2)).sum::<f64>();
    let best = allowed.min_by(|a, b| cost(a).total_cmp(&cost(b)));
    let [a, b, c] = best.ok_or("no curve of the law comes near the points")?;
    let mut usl = Usl { lambda_per_s: 1.0 / a, sigma: b / a, kappa: c / a, residual: 0.0 };
    let squares: f64 = points.iter().map(|(n, x)| (usl.at(*n) / x - 1.0).powi(2)).sum();
    usl.residual = (squares / (points.len() - 3) as f64).sqrt();
    Ok(usl)
}

fn dot(a: &[f64; 3], b: &[f64; 3]) -> f64 {
    a.iter().zip(b).map(|(a, b)| a * b).sum()
}

/// Least squares of `rows * p = 1` over the `free` parameters, the others zero, by the normal equations with scaled columns.
fn least_squares(rows: &[[f64; 3]], free: &[usize]) -> Option<[f64; 3]> {
    let norm = |k: usize| rows.iter().map(|row| row[k] * row[k]).sum::<f64>().sqrt();
    let norms: Vec<f64> = free.iter().map(|k| norm(*k)).collect();
    let n = free.len();
    let column = |row: &[f64; 3], i: usize| row[free[i]] / norms[i];
    let sum = |term: &dyn Fn(&[f64; 3]) -> f64| rows.iter().map(term).sum::<f64>();
    let mut m: Vec<Vec<f64>> = (0..n)
        .map(|i| {
            let squares = (0..n).map(|j| sum(&|row| column(row, i) * column(row, j)));
            squares.chain([sum(&|row| column(row, i))]).collect()
        })
        .collect();
    for at in 0..n {
        let pivot = (at..n).max_by(|a, b| m[*a][at].abs().total_cmp(&m[*b][at].abs()))?;
        m.swap(at, pivot);
        // Below this the columns are the same to all that doubles can tell: 1e-12 of their scaled length.
        if m[at][at].abs() < 1e-12 {
            return None;
        }
        let (done, below) = m.split_at_mut(at + 1);
        for row in below {
            let factor = row[at] / done[at][at];
            row.iter_mut().zip(&done[at]).for_each(|(value, above)| *value -= factor * above);
        }
    }
    let mut solution = [0.0; 3];
    for at in (0..n).rev() {
        let known: f64 = (at + 1..n).map(|k| m[at][k] * solution[free[k]] * norms[k]).sum();
        solution[free[at]] = (m[at][n] - known) / m[at][at] / norms[at];
    }
    Some(solution)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::random::Random;

    const CLIENTS: [f64; 9] = [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0];

    fn points(lambda: f64, sigma: f64, kappa: f64, noise: f64, random: &mut Random) -> Vec<(f64, f64)> {
        let law = Usl { lambda_per_s: lambda, sigma, kappa, residual: 0.0 };
        CLIENTS.map(|n| (n, law.at(n) * (1.0 + noise * random.normal()))).to_vec()
    }

    #[test]
    fn points_of_the_law_give_its_parameters_back() {
        let mut random = Random::new(1);
        for (sigma, kappa) in [(0.03, 0.0004), (0.0, 0.0), (0.9, 0.0), (0.0, 0.002)] {
            let usl = fit(&points(12_000.0, sigma, kappa, 0.0, &mut random)).expect("nine points");
            assert!((usl.lambda_per_s / 12_000.0 - 1.0).abs() < 1e-6, "{usl:?}");
            assert!((usl.sigma - sigma).abs() < 1e-6 && (usl.kappa - kappa).abs() < 1e-8, "{usl:?}");
            assert!(usl.residual < 1e-6 && usl.holds());
        }
    }

    #[test]
    fn noise_of_3_percent_moves_the_parameters_by_a_quarter_at_most_in_nineteen_of_twenty() {
        let mut random = Random::new(7);
        let near = (0..200).filter(|_| {
            let usl = fit(&points(12_000.0, 0.05, 0.0005, 0.03, &mut random)).expect("nine points");
            let off =
                [usl.lambda_per_s / 12_000.0, usl.sigma / 0.05, usl.kappa / 0.0005, usl.residual / 0.03];
            // The residual of 9 points scatters by 1/sqrt(2*6) = 29 %: it is bounded by three of that.
            off[..3].iter().all(|ratio| (ratio - 1.0).abs() < 0.25) && off[3] < 1.9
        });
        let near = near.count();
        assert!(near >= 190, "{near} of 200");
    }

    #[test]
    fn a_curve_of_another_kind_is_said_not_to_hold() {
        // A cliff: the throughput falls to a tenth beyond 32 clients, which no curve of the law does.
        let cliff = CLIENTS.map(|n| (n, if n > 32.0 { 1_000.0 } else { 10_000.0 }));
        let usl = fit(&cliff).expect("nine points");
        assert!(!usl.holds(), "{usl:?}");
        assert!(fit(&cliff[..4]).expect_err("too few").contains("5 points"));
    }

    #[test]
    fn the_peak_is_where_the_law_turns() {
        let usl = Usl { lambda_per_s: 1.0, sigma: 0.04, kappa: 0.0006, residual: 0.0 };
        let peak = usl.peak().expect("kappa is above zero");
        assert!(usl.at(peak) > usl.at(peak * 0.9) && usl.at(peak) > usl.at(peak * 1.1), "{peak}");
        assert_eq!(Usl { kappa: 0.0, ..usl }.peak(), None);
    }
}
