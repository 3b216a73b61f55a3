// Tells the species of an iris from those of its nearest neighbours.
//
//     rustc -O -o train train.rs && ./train iris.csv
//
// An ordinary program: the comments that begin with @hpo say which of its values may be tuned, and how far. Each trial
// is built anew with other values in these places, as hpo.yml says.
use std::{env, fs};

// @hpo.objective loss min

const NEIGHBOURS: usize = 5; // @hpo int(1, 60, log)
const POWER: f64 = 1.0; // @hpo float(0.1, 6)
const DISTANCE: &str = "euclid"; // @hpo choice("euclid", "manhattan", "largest")

fn distance(a: &[f64], b: &[f64]) -> f64 {
    let gaps = a.iter().zip(b).map(|(x, y)| (x - y).abs());
    match DISTANCE {
        "manhattan" => gaps.sum(),
        "largest" => gaps.fold(0.0, f64::max),
        _ => gaps.map(|gap| gap * gap).sum::<f64>().sqrt(),
    }
}

fn main() {
    let path = env::args().nth(1).unwrap_or("iris.csv".into());
    let text = fs::read_to_string(path).expect("the table of flowers");
    let flowers: Vec<Vec<f64>> = text
        .lines()
        .skip(1)
        .map(|line| line.split(',').map(|cell| cell.parse().expect("a number")).collect())
        .collect();

    // Each flower is told from all others.
    let mut loss = 0.0;
    for (i, flower) in flowers.iter().enumerate() {
        let mut others: Vec<(f64, usize)> = flowers
            .iter()
            .enumerate()
            .filter(|(j, _)| *j != i)
            .map(|(_, other)| (distance(&flower[..4], &other[..4]), other[4] as usize))
            .collect();
        others.sort_by(|a, b| a.partial_cmp(b).unwrap());
        let mut votes = [1e-3; 3];
        for (far, species) in others.iter().take(NEIGHBOURS) {
            votes[*species] += 1.0 / (far + 1e-3).powf(POWER);
        }
        loss -= (votes[flower[4] as usize] / votes.iter().sum::<f64>()).ln();
    }
    println!("loss={:.6}", loss / flowers.len() as f64);
}
