"""Tab: DDPM, pictures from noise, exact denoisers beside a trained one, and the chain as a VAE."""

from demos.ddpm._denoising import PANEL as _DENOISING
from demos.ddpm._denoising import denoising
from demos.panel import Demo, Panel
from models import ddpm, ddpm_exact, ddpm_samplers

PANELS: tuple[Panel, ...] = (_DENOISING,)

DEMO = Demo(
    key="ddpm",
    panels=PANELS,
    methods=(ddpm, ddpm_samplers, ddpm_exact),
    sources={
        "bricks": "https://kexue.fm/archives/9119",
        "vae": "https://kexue.fm/archives/9152",
        "bayes": "https://kexue.fm/archives/9164",
        "ddim": "https://kexue.fm/archives/9181",
        "paper": "https://arxiv.org/abs/2006.11239",
        "ddim_paper": "https://arxiv.org/abs/2010.02502",
    },
)

__all__ = ["DEMO", "denoising"]
