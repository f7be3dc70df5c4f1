from django.urls import path

from shop import views

urlpatterns = [
    path("signup", views.signup),
    path("signup-async", views.signup_async),
    path("jobs/<str:job_id>", views.result),
    path("order", views.order),
]
