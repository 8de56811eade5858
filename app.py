"""Build the page from the list of tabs and serve it.

Run ``python app.py``; ``GRADIO_SERVER_NAME`` and ``GRADIO_SERVER_PORT`` say where.
"""

import os

# Set before NumPy and Gradio are imported.
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # no telemetry, no version check
os.environ.setdefault("GRADIO_ANALYTICS_CACHE_FREQUENCY", "1000000")  # else each event costs more
for _name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, str(max(1, (os.cpu_count() or 1) // 2)))

from demos import DEMOS  # noqa: E402
from demos.frame import build, launch  # noqa: E402

frame = build(DEMOS)
demo = frame.blocks

if __name__ == "__main__":
    launch(frame)
