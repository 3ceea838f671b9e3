import numpy as np
import pytest
import torch

from trainable.data.frames import Frames, place
from trainable.data.hold_out import hold_out

CPU = torch.device("cpu")


def collected(frames, rows, start, num_frames):
    block, first = frames.locate(rows)
    length = rows["num_frames"].to_numpy(np.int64)
    return frames.collect(block, first, length, np.full(len(rows), start), num_frames)


def test_frames_are_mapped_not_copied(toy_shards):
    """All trials on a node are to share the page cache."""
    frames = Frames.of_training(toy_shards, CPU)
    assert frames.placement.kind == "mapped"
    assert frames.row(0, 0, 3).dtype == torch.float16
    with open("/proc/self/maps") as maps:
        assert str(toy_shards.folder / "shard-00000.safetensors") in maps.read()


def test_resident_frames_are_the_same_and_stand_in_one_block(toy_shards):
    """The move that a GPU gets, made on the CPU; some rows are left out, and the others asked for in another order."""
    kept = toy_shards.index[toy_shards.index["split"] != "eval"]
    mapped, resident = Frames(toy_shards, kept, CPU), Frames(toy_shards, kept, CPU, kind="resident")
    rows = kept.sample(frac=0.7, random_state=1)
    assert len(set(rows["shard"])) > 1
    for start, num_frames in ((0, 12), (5, 90)):
        assert torch.equal(collected(resident, rows, start, num_frames), collected(mapped, rows, start, num_frames))
    assert set(resident.locate(rows)[0]) == {0}
    whole = resident.row(0, 0, int(kept["num_frames"].sum()))
    assert (whole.dtype, len(whole)) == (torch.float16, kept["num_frames"].sum())


def test_training_frames_hold_whatever_a_trial_may_move_between_train_and_dev(toy_shards):
    frames = Frames.of_training(toy_shards, CPU, kind="resident")
    moved = hold_out(toy_shards.index, ("A01",))
    for split in ("train", "dev"):
        rows = moved[moved["split"] == split]
        _, first = frames.locate(rows)
        for place_in_block, (_, row) in zip(first[:5], rows.iterrows(), strict=False):
            own = toy_shards.frames(int(row["shard"]))[row["offset"] : row["offset"] + row["num_frames"]]
            assert torch.equal(frames.row(0, int(place_in_block), int(row["num_frames"])), own)


def test_a_cpu_leaves_the_frames_in_their_files():
    assert str(place(1_500_000_000, CPU)) == "1.5 GB of features memory-mapped"


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_a_gpu_holds_what_fits_and_streams_the_rest(toy_shards):
    cuda = torch.device("cuda", 0)
    total = torch.cuda.mem_get_info(cuda)[1]
    assert (place(1000, cuda).kind, place(total, cuda).kind) == ("resident", "streamed")
    frames = Frames.of_training(toy_shards, cuda)
    assert frames.row(0, 0, 1).device.type == "cuda"
