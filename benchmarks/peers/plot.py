"""A bare Gradio page with one ``gr.Plot``: the peer of page weight and of a class that opens it."""

import gradio as gr
import plotly.graph_objects as go


def draw() -> go.Figure:
    """Return a heat map of 50 x 50 cells."""
    return go.Figure(go.Heatmap(z=[[i * j for i in range(50)] for j in range(50)]))


with gr.Blocks(analytics_enabled=False) as demo:
    with gr.Tab("Plot"):
        plot = gr.Plot()
    demo.load(draw, None, plot)

if __name__ == "__main__":
    demo.launch(ssr_mode=False)
