// Learns from which cultivar a wine is: a Gaussian for each of them, with what is known of all mixed in.
//
//     c++ -O2 -o train train.cpp && ./train wine.csv
//
// An ordinary program: the comments that begin with @hpo say which of its values may be tuned, and how far. Each trial
// is built anew with other values in these places, as hpo.yml says.
#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <iostream>
#include <sstream>
#include <string>
#include <vector>

// @hpo.objective loss min

const double shrink = 0.1;        // @hpo float(0, 1)
const double temperature = 1.0;   // @hpo float(0.1, 10, log)
constexpr int features = 13;      // @hpo int(1, 13)
const bool share_spread = false;  // @hpo bool

struct Wine {
  std::array<double, 13> values;
  int cultivar;
};

struct Gaussian {
  std::array<double, 13> mean{}, variance{};
  double count = 0;
};

int main(int argc, char** argv) {
  std::ifstream file(argc > 1 ? argv[1] : "wine.csv");
  std::vector<Wine> wines;
  std::string line;
  std::getline(file, line);
  while (std::getline(file, line)) {
    std::istringstream row(line);
    std::string cell;
    Wine wine{};
    for (double& value : wine.values) value = (std::getline(row, cell, ','), std::stod(cell));
    std::getline(row, cell, ',');
    wine.cultivar = std::stoi(cell);
    wines.push_back(wine);
  }
  if (wines.empty()) {
    std::cerr << "there are no wines\n";
    return 1;
  }

  // Index 3 is all cultivars together. Every fourth wine is only looked at, never learned from.
  std::array<Gaussian, 4> known;
  const auto learn = [&](auto&& add) {
    for (std::size_t i = 0; i < wines.size(); i++)
      if (i % 4 != 0)
        for (int group : {wines[i].cultivar, 3}) add(known[group], wines[i].values);
  };
  learn([](Gaussian& group, const auto& values) {
    group.count++;
    for (int f = 0; f < features; f++) group.mean[f] += values[f];
  });
  for (auto& group : known)
    for (int f = 0; f < features; f++) group.mean[f] /= group.count;
  learn([](Gaussian& group, const auto& values) {
    for (int f = 0; f < features; f++) group.variance[f] += std::pow(values[f] - group.mean[f], 2) / group.count;
  });

  double loss = 0, seen = 0;
  for (std::size_t i = 0; i < wines.size(); i += 4, seen++) {
    std::array<double, 3> score{};
    double total = 0;
    for (int cultivar = 0; cultivar < 3; cultivar++) {
      double exponent = std::log(known[cultivar].count);
      for (int f = 0; f < features; f++) {
        const double own = share_spread ? known[3].variance[f] : known[cultivar].variance[f];
        const double variance = (1 - shrink) * own + shrink * known[3].variance[f];
        const double mean = (1 - shrink) * known[cultivar].mean[f] + shrink * known[3].mean[f];
        exponent -= std::pow(wines[i].values[f] - mean, 2) / (2 * variance) + std::log(variance) / 2;
      }
      score[cultivar] = exponent / temperature;
    }
    const double most = std::max({score[0], score[1], score[2]});
    for (double& one : score) total += one = std::exp(one - most);
    loss -= std::log(std::max(score[wines[i].cultivar] / total, 1e-12));
  }
  std::printf("loss=%.6f\n", loss / seen);
}
