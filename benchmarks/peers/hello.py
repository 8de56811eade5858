"""The smallest Gradio page with one tab: the peer of start-up and memory."""

import gradio as gr

with gr.Blocks(analytics_enabled=False) as demo:
    with gr.Tab("Hello"):
        name = gr.Textbox(label="Name")
        greeting = gr.Textbox(label="Greeting")
        name.submit(lambda text: f"Hello {text}", name, greeting)

if __name__ == "__main__":
    demo.launch(ssr_mode=False, mcp_server=True)
