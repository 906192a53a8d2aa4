"""The program that kills, with three kills, so that it keeps working; `make faults KILLS=200` is the trial itself."""

import kill


def test_three_kills_of_the_quickest_stage(capsys):
    assert kill.main(["--kills", "3", "--stages", "curation", "--seed", "1"]) == 0, capsys.readouterr().out
    assert "3 kills, 0 differences" in capsys.readouterr().out


def test_a_loss_would_be_seen(tmp_path):
    """What the comparison is for: each of these must be found."""
    from comparison import differences, half_files, trace_lines
    from stages import prepare_curation

    for name in ("whole", "cut"):
        prepare_curation(tmp_path / name)
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    assert not differences(whole, cut) and not half_files(cut)
    traces = cut / "traces/t.jsonl"
    lines = traces.read_bytes().splitlines(keepends=True)
    traces.write_bytes(b"".join(lines[:5] + lines[6:]))
    assert differences(whole, cut) == ["traces/t.jsonl: differs"]
    assert trace_lines(whole) - trace_lines(cut) == {lines[5]}
    traces.write_bytes(b"".join(lines + lines[:1]))
    assert "stands in line 1 already" in half_files(cut)[0]
    traces.write_bytes(b"".join(lines)[:-30])
    (cut / "traces/t.jsonl.manifest.json").write_text('{"sha256": "0"}')
    (cut / "traces/superseded").mkdir()
    assert half_files(cut) == ["traces/t.jsonl: not what its manifest says"]
    assert "traces/superseded: set aside" in differences(whole, cut)
