from benchmarks.cost.checking import main
from benchmarks.harness import run_benchmark

if __name__ == "__main__":
    run_benchmark(main)
