import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from edgematte.errors import PictureError
from edgematte.models.lightweight import Lightweight
from edgematte.training.checkpoint import save_weights
from edgematte.training.evaluate import main, matte_given, score_people


def test_the_report_has_all_parts(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    torch.manual_seed(0)
    save_weights(Lightweight(), {"model": "lightweight", "cfm": True, "ena": True}, tmp_path)
    test = tmp_path / "test"
    (test / "alphamatting").mkdir(parents=True)
    (test / "people").symlink_to(pictures / "people")
    Image.open(pictures / "pairs/image/thing_00.jpg").save(test / "alphamatting/A-image.png")
    alpha = Image.open(pictures / "pairs/alpha/thing_00.png")
    alpha.save(test / "alphamatting/A-alpha.png")
    trimap = np.asarray(alpha)
    trimap = np.where(trimap == 0, 0, np.where(trimap == 255, 255, 128)).astype(np.uint8)
    Image.fromarray(trimap).save(test / "alphamatting/A-trimap.png")
    main([str(tmp_path), "--test", str(test), "--data", str(pictures), "--composites", "2"])
    report = json.loads(capsys.readouterr().out)
    assert report["people"]["pictures"] == report["composites"]["pictures"] == 2
    assert 0 <= report["people"]["iou"] <= 1
    assert set(report["alphamatting"]) == {"free", "free_unknown", "given_unknown"}


def test_a_given_trimap_is_kept() -> None:
    trimap = np.full((50, 70), 128, np.uint8)
    trimap[:10], trimap[40:] = 0, 255
    with torch.inference_mode():
        alpha = matte_given(Lightweight().eval(), Image.new("RGB", (70, 50)), trimap)
    assert alpha.shape == (50, 70)
    assert (alpha[:10] == 0).all() and (alpha[40:] == 1).all()


def test_an_empty_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(PictureError, match="no pictures"):
        score_people(Lightweight().eval(), tmp_path)
