"""What a model was trained on, by its name and by declaration."""

from collections import Counter
from dataclasses import replace

import pytest
import timm
import torchvision

from vitobench.errors import UnknownNameError
from vitobench.models import registry
from vitobench.models.training_data import TRAINING_CLASSES, of_timm, of_torchvision


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("resnet50.a1_in1k", "in1k"),
        ("vit_base_patch16_224.mae_in1k_ft_in1k", "in1k"),
        ("convnextv2_tiny.fcmae_ft_in1k", "in1k"),
        ("vit_base_patch16_224.augreg_in21k_ft_in1k", "in21k"),
        ("convnext_tiny.in12k_ft_in1k", "in21k"),
        ("beit_base_patch16_224.in22k_ft_in22k_in1k", "in21k"),
        ("tf_efficientnet_b0.ns_jft_in1k", "web"),
        ("resnet50.fb_swsl_ig1b_ft_in1k", "web"),
        ("resnet50.fb_ssl_yfcc100m_ft_in1k", "web"),
        ("regnety_160.swag_ft_in1k", "web"),
        ("vit_base_patch16_clip_224.laion2b_ft_in12k_in1k", "web"),
        ("vit_base_patch32_clip_224.openai_ft_in1k", "web"),
        ("eva02_base_patch14_448.mim_in22k_ft_in1k", "web"),  # predicts features of a CLIP model
        ("deit_base_distilled_patch16_224.fb_in1k", "distilled"),
        ("xcit_small_12_p8_224.fb_dist_in1k", "distilled"),
        ("hgnet_tiny.ssld_in1k", "distilled"),
        ("edgenext_small.usi_in1k", "distilled"),
        ("tiny_vit_5m_224.dist_in22k_ft_in1k", "in21k"),  # the wider data count
        ("resnet50", "unknown"),
        ("resmlp_12_224.fb_dino", "unknown"),
    ],
)
def test_tags_of_timm_say_what_the_data_were(name: str, wanted: str) -> None:
    assert of_timm(name) == wanted


def test_nearly_all_classifiers_of_timm_have_a_class() -> None:
    names = [n for n in timm.list_models(pretrained=True) if timm.models.get_pretrained_cfg(n).num_classes == 1000]
    counts = Counter(map(of_timm, names))
    assert set(counts) == set(TRAINING_CLASSES)
    assert counts["unknown"] < 0.01 * len(names)
    assert counts["in1k"] > counts["in21k"] > counts["distilled"] > counts["web"] > 50


def test_weights_of_torchvision_have_a_class() -> None:
    weights = {
        entry.name
        for name in torchvision.models.list_models(module=torchvision.models)
        for entry in torchvision.models.get_model_weights(name)
    }
    assert {of_torchvision(name) for name in weights} == {"in1k", "web"}
    assert of_torchvision("IMAGENET1K_SWAG_E2E_V1") == "web"
    assert of_torchvision("KINETICS400_V1") == "unknown"


def test_the_class_is_declared_and_changes_no_identity() -> None:
    spec = registry.resolve("vito")
    assert spec.training_class == "unknown"  # of the micro-world
    other = replace(spec, training_class="web")
    assert other.identity == spec.identity
    with pytest.raises(UnknownNameError, match=r"training class.*in1k"):
        replace(spec, training_class="in2k")
