"""Sprites and their motion, worked out by hand."""

from __future__ import annotations

import cv2
import numpy as np
import pytest

from reskin.worlds.draw import SHADE_STEPS, rasterise
from reskin.worlds.looks import paint
from reskin.worlds.materials import CLASSES, MATERIAL_NUMBERS, MATERIALS
from reskin.worlds.people import BODY, NEAR_LEG, PARTS, POSES, SHADOW, Person, draw_person, joint, motion
from reskin.worlds.scene import Scene, Walker, make_scene
from reskin.worlds.shapes import Shape, box
from reskin.worlds.stage import Placed, Sprite, Stage, flow_of, lay, pack


def plain(value: int, piece: int, height: int, width: int, *, left: int = 0, top: int = 0) -> Sprite:
    colour = np.full((height, width, 3), value, np.uint8)
    flat = np.full((height, width), piece, np.uint8)
    return Sprite(pack(colour, colour, flat, flat), np.ones((height, width), bool), left, top)


def test_later_sprites_cover_earlier_ones_and_are_cut_at_the_frame() -> None:
    ground, thing = plain(10, 0, 4, 6), plain(200, 7, 2, 2, left=-1, top=-1)
    canvas = lay(
        [Placed(ground, 0, 0), Placed(thing, 3, 2), Placed(thing, 0, 0), Placed(thing, 40, 1)], (6, 4)
    )
    assert canvas[..., 7].tolist() == [
        [7, 0, 0, 0, 0, 0],
        [0, 0, 7, 7, 0, 0],
        [0, 0, 7, 7, 0, 0],
        [0, 0, 0, 0, 0, 0],
    ]
    assert canvas[1, 2, :3].tolist() == [200, 200, 200]


def test_holes_in_a_sprite_show_what_is_behind() -> None:
    thing = plain(200, 7, 1, 3)
    open_middle = Sprite(thing.pixels, np.array([[True, False, True]]), 0, 0)
    canvas = lay([Placed(plain(10, 1, 1, 3), 0, 0), Placed(open_middle, 0, 0)], (3, 1))
    assert canvas[0, :, 7].tolist() == [7, 1, 7]


def test_flow_by_hand() -> None:
    """Piece 0 stands, piece 1 moves by (3, -2), piece 2 turns by a quarter around the point (1, 1)."""
    pieces = np.array([[0, 1], [2, 2]], np.uint8)
    motions = np.array([np.eye(2, 3), [[1, 0, 3], [0, 1, -2]], [[0, -1, 2], [1, 0, 0]]])
    flow = flow_of(pieces, motions)
    assert flow[0, 0].tolist() == [0, 0]
    assert flow[0, 1].tolist() == [3, -2]
    # The pixel at column 0, row 1 has its centre at (0.5, 1.5): 0.5 left of and 0.5 below the pivot. A
    # quarter turn (x to y) takes (-0.5, 0.5) to (-0.5, -0.5).
    assert flow[1, 0].tolist() == [0, -1]
    assert flow[1, 1].tolist() == [-1, 0]


def test_a_drawn_box_covers_the_pixels_it_should() -> None:
    maps = rasterise([Shape(box(0.1, 0.2, 0.4, 0.5), "road", 0.5, 0.8)], (8, 6), origin=(1, 0), unit=10)
    rows, columns = np.nonzero(maps.material)
    # The outline's pixels count as inside, so a piece may reach half a pixel past its edge.
    assert rows.min() in (1, 2) and rows.max() in (4, 5)
    assert columns.min() in (1, 2) and columns.max() in (4, 5)
    assert maps.material[3, 3] == MATERIAL_NUMBERS["road"]
    assert maps.tint[3, 3] == 128
    assert maps.shade[3, 3] == 0.8 * SHADE_STEPS


def test_a_fading_shape_goes_from_one_tint_to_the_other() -> None:
    shape = Shape(box(0, 0, 1, 1), "sky", 0.0, tint_below=1.0)
    tint = rasterise([shape], (20, 20), origin=(0, 0), unit=20).tint[:, 10].astype(int)
    assert tint[0] < 10 and tint[-1] > 245
    assert (np.diff(tint) > 0).all()


def test_colours_of_a_surface() -> None:
    shape = Shape(box(0, 0, 1, 1), "trim", 0.5, 0.5)
    maps = rasterise([shape], (8, 8), origin=(0, 0), unit=8)
    game = paint(maps, "game", np.random.default_rng(0), unit=8)
    assert game[4, 4].tolist() == [value // 2 for value in MATERIALS["trim"].game[0]]


def test_every_material_belongs_to_a_class_and_every_class_has_one() -> None:
    assert {material.shows for material in MATERIALS.values()} == set(CLASSES)


PERSON = Person(height=0.2, facing=1, shirt=0.5, hair=0.5, has_skirt=True)


@pytest.mark.parametrize("part", range(PARTS))
def test_limbs_come_back_after_a_cycle(part: int) -> None:
    point = np.array([0.01, -0.05, 1.0])
    for pose in range(POSES):
        point = np.append(motion(PERSON, part, pose) @ point, 1.0)
    assert point[:2] == pytest.approx([0.01, -0.05])


def test_motion_takes_a_joint_to_its_next_place() -> None:
    for part in (BODY, NEAR_LEG, SHADOW):
        x, y, _ = joint(PERSON, part, 3)
        assert motion(PERSON, part, 3) @ [x, y, 1] == pytest.approx(joint(PERSON, part, 4)[:2])


def test_motion_takes_the_outline_of_a_leg_to_its_next_place() -> None:
    now, then = ([shape for shape in draw_person(PERSON, pose) if shape.part == NEAR_LEG] for pose in (5, 6))
    corners = np.column_stack([now[0].points, np.ones(len(now[0].points))])
    np.testing.assert_allclose(corners @ motion(PERSON, NEAR_LEG, 5).T, then[0].points, atol=1e-12)


def test_scenes_are_a_function_of_seed_and_number() -> None:
    one, two, other = (make_scene(1, number, aspect=1.0, num_frames=36) for number in (0, 0, 1))
    assert one.pan == two.pan != other.pan
    for left, right in zip(one.back, two.back, strict=True):
        assert all(np.array_equal(a.points, b.points) for a, b in zip(left.shapes, right.shapes, strict=True))


def test_a_long_scene_is_panned_slowly() -> None:
    assert abs(make_scene(1, 0, aspect=1.0, num_frames=1000).pan) * 1000 <= 1.2 + 1e-9


def lone_walker(facing: int) -> Stage:
    """A stage on which one person crosses the frame."""
    person = Person(height=0.6, facing=facing, shirt=0.5, hair=0.5, has_skirt=False)
    walker = Walker(person, 0.5 - 0.2 * facing, 0.9, 2)
    scene = Scene(pan=0.01 * facing, back=(), walkers=(walker,), cars=(), front=())
    return Stage(scene, key=(1, 0), size=(128, 128), fine=3)


@pytest.mark.parametrize("facing", [1, -1])
def test_the_motion_of_every_limb_leads_to_its_outline_in_the_next_frame(facing: int) -> None:
    stage = lone_walker(facing)
    walker = stage.scene.walkers[0]
    for time in range(POSES):
        motions = stage.motions(time)
        outlines = []
        for moment in (time, time + 1):
            item = stage.placed(moment)[0]
            anchor = np.array([item.x, item.y]) / stage.fine
            drawn = draw_person(walker.person, (walker.pose + moment) % POSES)
            outlines.append([(shape.part, shape.points * 128 + anchor) for shape in drawn])
        for (part, now), (_, then) in zip(*outlines, strict=True):
            corners = np.column_stack([now, np.ones(len(now))])
            np.testing.assert_allclose(corners @ motions[stage.first_walker + part].T, then, atol=1e-9)


@pytest.mark.parametrize("facing", [1, -1])
def test_flow_of_a_swinging_leg_stays_on_the_leg(facing: int) -> None:
    stage, stayed, total = lone_walker(facing), 0, 0
    leg = stage.first_walker + NEAR_LEG
    for time in range(POSES):
        now, then = (lay(stage.placed(moment), (384, 384))[1::3, 1::3, 7] for moment in (time, time + 1))
        inner = cv2.erode((now == leg).astype(np.uint8), np.ones((3, 3), np.uint8))
        rows, columns = np.nonzero(inner)
        flow = flow_of(now, stage.motions(time))[rows, columns]
        places = np.rint(np.stack([columns, rows], axis=1) + flow).astype(int)
        stayed += (then[places[:, 1], places[:, 0]] == leg).sum()
        total += len(rows)
    assert total > 1000
    assert stayed / total > 0.97
