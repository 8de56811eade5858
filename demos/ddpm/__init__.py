"""Tab: DDPM, pictures from noise, exact denoisers beside a trained one, and the chain as a VAE."""

from demos.ddpm._denoising import PANEL as _DENOISING
from demos.ddpm._denoising import denoising
from demos.ddpm._exact import PANEL as _EXACT
from demos.ddpm._exact import exact
from demos.ddpm._latents import PANEL as _LATENTS
from demos.ddpm._latents import latents
from demos.ddpm._noising import PANEL as _NOISING
from demos.ddpm._noising import noising
from demos.ddpm._quality import PANEL as _QUALITY
from demos.ddpm._quality import quality
from demos.ddpm._schedule import PANEL as _SCHEDULE
from demos.ddpm._schedule import schedule
from demos.ddpm._vae import PANEL as _VAE
from demos.ddpm._vae import vae
from demos.panel import Demo, Panel
from models import ddpm, ddpm_exact, ddpm_latents, ddpm_quality, ddpm_samplers, ddpm_vae

PANELS: tuple[Panel, ...] = (_DENOISING, _SCHEDULE, _NOISING, _EXACT, _VAE, _LATENTS, _QUALITY)

DEMO = Demo(
    key="ddpm",
    panels=PANELS,
    methods=(ddpm, ddpm_samplers, ddpm_exact, ddpm_vae, ddpm_latents, ddpm_quality),
    sources={
        "bricks": "https://kexue.fm/archives/9119",
        "vae": "https://kexue.fm/archives/9152",
        "bayes": "https://kexue.fm/archives/9164",
        "ddim": "https://kexue.fm/archives/9181",
        "paper": "https://arxiv.org/abs/2006.11239",
        "ddim_paper": "https://arxiv.org/abs/2010.02502",
    },
)

__all__ = ["DEMO", "denoising", "schedule", "noising", "exact", "vae", "latents", "quality"]
