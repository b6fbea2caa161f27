from benchmarks.harness import run_benchmark
from benchmarks.reused_memory.measuring import main

if __name__ == "__main__":
    run_benchmark(main)
