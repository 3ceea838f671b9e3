import pytest

from cluster.config import ClusterConfig
from cluster.errors import SpoofsweepError
from cluster.settings import parse_settings


@pytest.mark.parametrize(
    ("launch", "complaint"),
    [
        ({"aws": {"regoin": "x"}}, "unknown key 'launch.aws.regoin' (did you mean 'region'?)"),
        ({"shared_folder": "results"}, "'launch.shared_folder' = 'results': it must be an absolute path, as the nodes"),
        ({"num_workers": 1, "min_workers": 3}, "launch: min_workers 3 is above num_workers 1"),
        ({"slurm": {"time": "soon"}}, "'launch.slurm.time' = 'soon'"),
        ({"slurm": {"partition": "a b"}}, "'launch.slurm.partition' = 'a b'"),
        ({"environment": {"A B": "x"}}, "'launch.environment.A B.[key]' = 'A B'"),
    ],
)
def test_wrong_settings_are_refused_by_name(launch: dict, complaint: str) -> None:
    with pytest.raises(SpoofsweepError) as raised:
        parse_settings(ClusterConfig, {"launch": launch})
    assert complaint in str(raised.value)
