"""Gives Django's admin classes the type parameters that the type checker expects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django.contrib import admin
from django.contrib.auth.admin import UserAdmin
from django.contrib.auth.forms import AdminUserCreationForm
from django.contrib.auth.models import User
from django.core.paginator import Paginator
from django.forms import ModelForm

from conferences.models import Account

if TYPE_CHECKING:
    AnyModelAdmin = admin.ModelAdmin[Any]
    AnyTabularInline = admin.TabularInline[Any, Any]
    AnyPaginator = Paginator[Any]
    AccountModelForm = ModelForm[Account]
    DjangoUserAdmin = UserAdmin[User]
    NewUserForm = AdminUserCreationForm[User]
else:
    AnyModelAdmin = admin.ModelAdmin
    AnyTabularInline = admin.TabularInline
    AnyPaginator = Paginator
    AccountModelForm = ModelForm
    DjangoUserAdmin = UserAdmin
    NewUserForm = AdminUserCreationForm
