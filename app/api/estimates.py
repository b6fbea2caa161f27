"""What orders would cost, and how long they would wait, before anything is submitted: an address for each kind."""

from fastapi import APIRouter

from app.api.grid_order import GridOrder
from app.api.orders import Orders
from app.api.owners import Owner
from app.api.refusals import OF_BODIES, refusals
from app.api.values import AttackOrder, ClassOrder, Estimate, EvaluateOrder, TextOrder
from app.records.params import GridParams
from app.ui.wiring.services import Studio
from app.visitors.uploads import Kept
from foundation.jobs.store.model import JobRequest
from generator.grids.grid import disk_of
from generator.priors.operators import Size
from generator.recipes.recipe import Recipe


def add_estimates(router: APIRouter, studio: Studio) -> None:
    """Add the addresses. Each refuses what the order itself would be refused for, but for a queue that is full."""
    responses = refusals(OF_BODIES)

    @router.post("/estimate/text", tags=["estimates"], responses=responses)
    def text(order: TextOrder, owner: Owner) -> Estimate:
        """Say what a picture of a text would cost, and how long it would wait."""
        orders = Orders(studio, owner)
        return estimate_of(orders, orders.draw_text(order), [order.recipe])

    @router.post("/estimate/class", tags=["estimates"], responses=responses)
    def class_image(order: ClassOrder, owner: Owner) -> Estimate:
        """Say what a picture of a class, or of a unit, would cost, and how long it would wait."""
        orders = Orders(studio, owner)
        return estimate_of(orders, orders.draw_class(order), [order.recipe])

    @router.post("/estimate/attack", tags=["estimates"], responses=responses)
    def attack(order: AttackOrder, owner: Owner) -> Estimate:
        """Say what an attack would cost, on a photo or on a folder of them, and how long it would wait."""
        orders = Orders(studio, owner)
        number = 1 if order.folder is None else len(order.folder.photos)
        return estimate_of(orders, orders.attack(order), [order.recipe] * number)

    @router.post("/estimate/grids", tags=["estimates"], responses=responses)
    def grid(order: GridOrder, owner: Owner) -> Estimate:
        """Say what a grid would cost, and how long it would wait; every cell is judged."""
        orders = Orders(studio, owner)
        request = orders.draw_grid(order)
        cells = GridParams.asked(request.params).whole().cells
        return estimate_of(orders, request, [cell.recipe for cell in cells])

    @router.post("/estimate/evaluate", tags=["estimates"], responses=responses)
    def evaluate(order: EvaluateOrder, owner: Owner) -> Estimate:
        """Say what an evaluation would cost, at most, and how long it would wait."""
        orders = Orders(studio, owner)
        return estimate_of(orders, orders.evaluate(order), [])


def estimate_of(orders: Orders, request: JobRequest, recipes: list[Recipe]) -> Estimate:
    """What a request that makes the pictures of these recipes would take. StudioError: it would be refused."""
    studio = orders.studio
    cost, outlook = studio.jobs.estimate(request)
    known = bool(recipes) and "folder" not in request.params
    size = _photo(studio, request) if known else None
    pictures = [recipe for recipe in recipes for _ in range(recipe.images)]
    return Estimate(
        pictures=len(pictures),
        steps=sum(recipe.steps for recipe in recipes),
        seconds=cost.seconds,
        at_most=cost.at_most is not None,
        memory_bytes=cost.bytes,
        disk_bytes=disk_of(pictures, size) if known else None,
        jobs_before=outlook.before,
        starts_in=outlook.start,
        ends_in=outlook.end,
        why_not=studio.jobs.why_not(request, cost),
    )


def _photo(studio: Studio, request: JobRequest) -> Size | None:
    """Height and width of the photo that a request starts from; None where it starts from none."""
    digest = request.params.get("source")
    if not isinstance(digest, str) or not digest:
        return None
    width, height = studio.uploads.size(Kept(request.owner, digest))
    return height, width
