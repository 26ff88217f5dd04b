"""The benchmark on frozen features: its configs, and its table."""

from benchmarks import features


def test_configs_differ_in_method_and_start(monkeypatch, tmp_path):
    base = features.base_config("eurosat")
    assert (base.data.size, base.model.feature_size) == (64, 96)
    assert base.data.split == "predefined" and base.optim.propagation_steps == 300
    seen = {}
    monkeypatch.setattr(
        features, "sweep", lambda configs, *_, **about: seen.update(configs)
    )
    features.run(base, None, [2], list(features.METHODS), [0], tmp_path)
    assert len({c.digest() for c in seen.values()}) == len(features.METHODS)
    paper = seen["fixmatch as in the paper"]
    assert (paper.method.threshold, paper.method.alignment) == (0.95, False)
    assert paper.method.labeled_view == "weak"
    for name, config in seen.items():
        spread = "after propagation" in name
        assert bool(config.optim.propagation_steps) == spread
        assert config.model.features == "efficientnet_lite0"
    assert seen["supervised, weak"].method.labeled_view == "weak"
    assert seen["supervised, strong"].method.labeled_view == "strong"
