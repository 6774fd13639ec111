import subprocess
import sys

HEAVY = ("jiwer", "scipy", "pandas", "matplotlib", "optuna", "mlx", "moshi_mlx", "rustymimi", "sounddevice", "soxr")


def test_importing_metrics_loads_nothing_heavy():
    code = f"import sys, workbench.metrics, workbench.metrics.budget; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
