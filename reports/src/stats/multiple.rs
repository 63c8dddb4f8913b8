//! Many comparisons at once: how often a claim among those made may be false.
//!
//! Benjamini and Hochberg, Controlling the false discovery rate (1995). Of the comparisons called different at level q, an
//! expected share of at most q is not. It is proved for independent and for positively dependent tests; for all pairs among
//! a few means, which are neither, simulations found it to hold (Keselman, Cribbie and Holland, The pairwise multiple
//! comparison multiplicity problem, 1999), as ours do.

/// The adjusted p-values (q-values) of a family, in its order: the smallest level at which each would be rejected.
pub fn adjusted(p: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p.len()).collect();
    order.sort_unstable_by(|a, b| p[*b].total_cmp(&p[*a]));
    let mut q = vec![1.0; p.len()];
    let mut least = 1.0_f64;
    for (from_largest, at) in order.into_iter().enumerate() {
        let rank = p.len() - from_largest;
        least = least.min(p[at] * p.len() as f64 / rank as f64);
        q[at] = least;
    }
    q
}

#[cfg(test)]
mod tests {
    use super::adjusted;
    use proptest::prelude::*;

    #[test]
    fn the_example_of_the_paper() {
        // Benjamini and Hochberg (1995), section 4.1: 15 p-values, of which 4 are rejected at 0.05.
        let p = [
            0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719,
            0.6528, 0.7590, 1.0,
        ];
        let q = adjusted(&p);
        assert_eq!(q.iter().filter(|q| **q <= 0.05).count(), 4);
        assert!((q[3] - 0.035_625).abs() < 1e-12, "{q:?}");
        assert_eq!(adjusted(&[]), Vec::<f64>::new());
        assert_eq!(adjusted(&[0.03]), [0.03]);
    }

    proptest! {
        #[test]
        fn rejections_are_those_of_the_step_up_procedure(p in prop::collection::vec(0.0..1.0_f64, 1..30)) {
            let (level, m) = (0.05, p.len() as f64);
            let mut sorted = p.clone();
            sorted.sort_unstable_by(f64::total_cmp);
            let most = (1..=p.len()).rev().find(|k| sorted[k - 1] <= level * *k as f64 / m).unwrap_or(0);
            // A hair above the level: the two ways to multiply round differently.
            let rejected = adjusted(&p).into_iter().filter(|q| *q <= level * (1.0 + 1e-12)).count();
            prop_assert_eq!(rejected, most);
        }
    }
}
