"""The contracts of the layout, read from the source and from what an import brings in."""

import ast
import json
import subprocess
import sys
from pathlib import Path

import pytest

from demos import DEMOS

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("app.py", "demos", "models", "tests", "benchmarks", "training")
SCREEN = {"demos.frame", "demos.site"}  # the only modules that know Gradio
SHARED = {"controls", "figures", "frame", "panel", "site", "view", "words"}


def modules(*folders):
    for folder in folders:
        path = ROOT / folder
        for file in [path] if path.suffix else sorted(path.rglob("*.py")):
            yield (
                ".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"),
                file,
            )


def imports(file):
    names = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            module = node.module or ""
            names |= {module} | {f"{module}.{alias.name}" for alias in node.names}
    return names


def roots(names):
    return {name.split(".")[0] for name in names}


def test_models_know_no_screen():
    for name, file in modules("models"):
        forbidden = roots(imports(file)) & {"demos", "app", "gradio", "plotly", "sklearn", "tests"}
        assert not forbidden, f"{name} imports {forbidden}"


def test_only_the_frame_knows_gradio():
    for name, file in modules("demos"):
        if name not in SCREEN:
            assert "gradio" not in roots(imports(file)), name


def test_demos_do_not_import_app_and_tabs_do_not_import_each_other():
    keys = {demo.key for demo in DEMOS}
    for name, file in modules("demos"):
        seen = imports(file)
        assert "app" not in roots(seen), name
        own = name.split(".")[1] if "." in name else ""
        if own in keys:
            targets = {target.split(".")[1] for target in seen if target.startswith("demos.")}
            assert not targets & (keys - {own}), name


def test_no_module_rebinds_globals():
    for name, file in modules("demos", "models", "app.py"):
        tree = ast.parse(file.read_text(encoding="utf-8"))
        assert not any(isinstance(node, ast.Global) for node in ast.walk(tree)), name


def test_import_graph_has_no_cycle():
    graph = {
        name: {n for n in imports(file) if n.split(".")[0] in ("demos", "models")}
        for name, file in modules("demos", "models")
        if name != "demos"
    }
    done: set[str] = set()
    path: list[str] = []

    def visit(name):
        assert name not in path, f"cycle: {path[path.index(name) :]} -> {name}"
        if name in done or name not in graph:
            return
        path.append(name)
        for target in sorted(graph[name] - {name}):
            if not (name == "demos.site" and target == "demos.frame"):  # for the type checker only
                visit(target)
        path.pop()
        done.add(name)

    for name in graph:
        visit(name)


def test_every_tab_has_its_files():
    keys = [demo.key for demo in DEMOS]
    order = ["rope", "ner", "similarity", "ddpm", "hippo", "jl", "sgd", "powers"]
    assert keys == [key for key in order if key in keys] and len(set(keys)) == len(keys)
    for demo in DEMOS:
        alone, folder = ROOT / "demos" / f"{demo.key}.py", ROOT / "demos" / demo.key
        assert alone.exists() or (folder / "__init__.py").exists()
        assert (ROOT / "models" / f"{demo.key}.py").exists()
        assert (ROOT / "tests" / f"test_{demo.key}.py").exists()
        assert all(panel.tab == demo.key for panel in demo.panels)
        assert len({panel.key for panel in demo.panels}) == len(demo.panels)
        assert demo.methods and demo.sources


def test_every_method_module_has_its_test():
    for name, _ in modules("models"):
        if name != "models":
            assert (ROOT / "tests" / f"test_{name.removeprefix('models.')}.py").exists(), name


@pytest.mark.parametrize("package", ["torch", "transformers", "sklearn", "scipy.stats", "plotly"])
def test_import_of_the_app_is_light(package, loaded):
    assert package not in loaded


@pytest.fixture(scope="module")
def loaded():
    code = "import json, sys, app; print(json.dumps(sorted(sys.modules)))"
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return set(json.loads(run.stdout.splitlines()[-1]))


def test_app_is_short_and_wordless():
    assert len((ROOT / "app.py").read_text(encoding="utf-8").splitlines()) < 40


def test_no_function_is_longer_than_a_page():
    for name, file in modules("demos", "models"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef):
                assert (node.end_lineno or 0) - node.lineno < 90, f"{name}.{node.name}"


def test_assets_are_listed_and_small():
    listing = (ROOT / "assets" / "README.md").read_text(encoding="utf-8")
    for file in (ROOT / "assets").rglob("*"):
        if file.is_file() and file.name != "README.md":
            assert f"`{file.relative_to(ROOT / 'assets')}`" in listing, file
            assert file.stat().st_size < 10_000_000, file


def test_readme_front_matter_is_valid_for_spaces():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.startswith("---\n")
    matter = dict(
        line.split(": ", 1) for line in text.split("---\n")[1].splitlines() if ": " in line
    )
    pinned = dict(
        line.split("==")
        for line in (ROOT / "requirements.txt").read_text().splitlines()
        if "==" in line
    )
    assert matter["sdk"] == "gradio"
    assert matter["sdk_version"] == pinned["gradio[mcp]"]
    assert matter["app_file"] == "app.py"
    assert matter["license"] == "apache-2.0"
    assert matter["python_version"].strip('"') == "3.11"
    assert len(matter["short_description"]) <= 60


def test_no_generator_yields_inside_errstate():
    """Stopped from another thread, NumPy could not put its error state back."""
    for name, file in modules("demos", "models"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.With) and "errstate" in ast.unparse(node.items[0]):
                waits = [n for n in ast.walk(node) if isinstance(n, (ast.Yield, ast.YieldFrom))]
                assert not waits, f"{name}:{node.lineno}"
