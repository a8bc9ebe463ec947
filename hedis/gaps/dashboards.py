"""Pages beside the admin's own: the queue and the rates."""

from django.http import HttpRequest, HttpResponse


def my_queue(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


def measure_rates(request: HttpRequest) -> HttpResponse:
    return HttpResponse()
