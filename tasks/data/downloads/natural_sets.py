"""ImageNet's validation set and its natural variants: where they are published.

Sizes and checksums come from the source named beside them; what no source gives stays unknown.
"""

from __future__ import annotations

from .publication import Folder, Publication, RemoteFile

_V2 = "https://huggingface.co/datasets/vaishaal/ImageNetV2/resolve/main"

NATURAL_SETS = (
    Publication(
        name="imagenet",
        title="ImageNet validation set (ILSVRC 2012)",
        page="https://image-net.org/download.php",
        # ILSVRC2012_img_val.tar: 6,744,924,160 bytes, sha256 c7e06a6c... (TensorFlow Datasets,
        # url_checksums/imagenet2012_real.txt), md5 29b22e29... (torchvision, datasets/imagenet.py). No direct link may
        # be given: its terms have to be accepted first.
        files=(),
        licence="ImageNet terms",
        citation="Russakovsky et al., ImageNet Large Scale Visual Recognition Challenge, IJCV 2015",
        gated=True,
        notes="Register at the page, accept the terms, download ILSVRC2012_img_val.tar (6.7 GB, md5 "
        "29b22e2961454d5413ddabcf34fc5622) and ILSVRC2012_devkit_t12.tar.gz, and sort the 50,000 images into one "
        "folder per WordNet id; torchvision.datasets.ImageNet(root, split='val') does this with both archives in root.",
        folders=(Folder(".", 1000, 50_000),),
    ),
    Publication(
        name="imagenet-real",
        title="ImageNet ReaL labels",
        page="https://github.com/google-research/reassessed-imagenet",
        # TensorFlow Datasets, url_checksums/imagenet2012_real.txt. The labels inside timm (data/_info/
        # imagenet_real_labels.json) have this very sha256.
        files=(
            RemoteFile(
                "https://raw.githubusercontent.com/google-research/reassessed-imagenet/master/real.json",
                "real.json",
                388_478,
                sha256="d83e9bff374c631aae8439eb064c7019acc56e1b3bc3f56b8380c2a710b0220b",
            ),
        ),
        licence="Apache-2.0",
        citation="Beyer et al., Are we done with ImageNet?, 2020 (arXiv 2006.07159)",
        notes="Labels alone, for the images of imagenet. timm brings the same file.",
        required=("real.json",),
    ),
    Publication(
        name="imagenet-a",
        title="ImageNet-A",
        page="https://github.com/hendrycks/natural-adv-examples",
        # Size, sha256: TensorFlow Datasets, url_checksums/imagenet_a.txt. md5: oodtk (pytorch-ood). Counts: the paper.
        # Licence: the repository's.
        files=(
            RemoteFile(
                "https://people.eecs.berkeley.edu/~hendrycks/imagenet-a.tar",
                "imagenet-a.tar",
                687_552_512,
                "c3e55429088dc681f30d81f4726b6595",
                "3bb3632277e6ba6392ea64c02ddbf4dd2266c9caffd6bc09c9656d28f012589e",
            ),
        ),
        licence="MIT",
        citation="Hendrycks et al., Natural Adversarial Examples, CVPR 2021 (arXiv 1907.07174)",
        notes="The images belong to their photographers.",
        unpacks_to="imagenet-a",
        folders=(Folder(".", 200, 7500),),
    ),
    Publication(
        name="imagenet-r",
        title="ImageNet-R",
        page="https://github.com/hendrycks/imagenet-r",
        # Size, sha256: TensorFlow Datasets, url_checksums/imagenet_r.txt. md5: oodtk (pytorch-ood). Counts: the paper.
        # Licence: the repository's.
        files=(
            RemoteFile(
                "https://people.eecs.berkeley.edu/~hendrycks/imagenet-r.tar",
                "imagenet-r.tar",
                2_191_079_936,
                "a61312130a589d0ca1a8fca1f2bd3337",
                "18c6bf493b39a0d975d48e587437f562caab9c52ae6327dcfa9dd8eb54aa1b52",
            ),
        ),
        licence="MIT",
        citation="Hendrycks et al., The Many Faces of Robustness, ICCV 2021 (arXiv 2006.16241)",
        notes="The images belong to their makers.",
        unpacks_to="imagenet-r",
        folders=(Folder(".", 200, 30_000),),
    ),
    Publication(
        name="imagenet-v2",
        title="ImageNet-V2",
        page="https://github.com/modestyachts/ImageNetV2",
        # TensorFlow Datasets, datasets/imagenet_v2/checksums.tsv. Despite their names the files are plain tar archives
        # (their sizes are multiples of 512). Licence: README of the repository. Counts: the same.
        files=(
            RemoteFile(
                f"{_V2}/imagenetv2-matched-frequency.tar.gz",
                "imagenetv2-matched-frequency.tar.gz",
                1_264_079_360,
                sha256="f0c37fdf925916b19ea1323cd9a2208cdb6959ba2c32eef2a7fc393835c9ca7c",
            ),
            RemoteFile(
                f"{_V2}/imagenetv2-threshold0.7.tar.gz",
                "imagenetv2-threshold0.7.tar.gz",
                1_249_906_176,
                sha256="32142bfe998f9cfa4141be691f6a80eeb1e27b24bd532a668eb08c26d98897a2",
            ),
            RemoteFile(
                f"{_V2}/imagenetv2-top-images.tar.gz",
                "imagenetv2-top-images.tar.gz",
                1_245_927_936,
                sha256="85e4ace30f3f0d660152062254b8759dda66267b27f7ec0fd8d5768f1073a04b",
            ),
        ),
        licence="ImageNet terms",
        citation="Recht et al., Do ImageNet Classifiers Generalize to ImageNet?, ICML 2019 (arXiv 1902.10811)",
        notes="Three sets. The images come from Flickr with their own licences and can be used the way ImageNet's are. "
        "The folders are numbered 0 to 999, which sorts differently as text.",
        folders=tuple(
            Folder(f"imagenetv2-{variant}-format-val", 1000, 10_000)
            for variant in ("matched-frequency", "threshold0.7", "top-images")
        ),
    ),
    Publication(
        name="imagenet-sketch",
        title="ImageNet-Sketch",
        page="https://github.com/HaohanWang/ImageNet-Sketch",
        # URL: the copy under the name of the dataset's authors that the README's Google Drive link has as its twin;
        # Drive asks a question before large files. Its size and checksum were found nowhere; those of the Drive file
        # (7,593,573,012 bytes, TensorFlow Datasets) may be of another zip. Top folder: public scripts move sketch/.
        # Count: the Hugging Face card. Licence: the repository's, as model-vs-human quotes it.
        files=(
            RemoteFile(
                "https://huggingface.co/datasets/songweig/imagenet_sketch/resolve/main/data/ImageNet-Sketch.zip",
                "ImageNet-Sketch.zip",
            ),
        ),
        licence="MIT",
        citation="Wang et al., Learning Robust Global Representations by Penalizing Local Predictive Power, "
        "NeurIPS 2019 (arXiv 1905.13549)",
        notes="About 7.6 GB. The images were found by an image search and belong to their makers.",
        unpacks_to="sketch",
        folders=(Folder(".", 1000, 50_889),),
    ),
    Publication(
        name="objectnet",
        title="ObjectNet",
        page="https://objectnet.dev/download.html",
        # md5 of objectnet-1.0.zip: shifthappens. Number of classes: the paper.
        files=(),
        licence="own terms",
        citation="Barbu et al., ObjectNet: A large-scale bias-controlled dataset for pushing the limits of object "
        "recognition models, NeurIPS 2019",
        gated=True,
        notes="Read the terms on the page: the images may never be used to train or tune a model. Download "
        "objectnet-1.0.zip (md5 522aa986a604c41ea641411c1d0a292e) and unpack it with the password that the terms give. "
        "Every image has a red border of one pixel, which has to be cropped.",
        folders=(Folder("images", 313),),
    ),
    Publication(
        name="imagenet-vid-robust",
        title="ImageNet-Vid-Robust and YTBB-Robust",
        page="https://modestyachts.github.io/natural-perturbations-website/",
        # URL and top folder: public scripts that download it. Counts: the abstract. Licence: not found.
        files=(
            RemoteFile(
                "https://do-imagenet-classifiers-generalize-across-time.s3-us-west-2.amazonaws.com/"
                "imagenet_vid_ytbb_robust.tar.gz",
                "imagenet_vid_ytbb_robust.tar.gz",
            ),
        ),
        licence="not found",
        citation="Shankar et al., Do Image Classifiers Generalize Across Time?, ICCV 2021 (arXiv 1906.02168)",
        notes="Both sets in one archive: 3,139 sets of similar frames, 57,897 images.",
        unpacks_to="imagenet_vid_ytbb_robust",
    ),
)
