"""Forms of the Locations & Products pages."""

from typing import Any

from django import forms

from merchants import catalog
from merchants.models import Merchant, Product, ProductAlias, Warehouse

_PARTS = {
    "company": ("Company", 60),
    "first_name": ("First name", 60),
    "last_name": ("Last name", 60),
    "address_1": ("Address", 60),
    "address_2": ("Address, second line", 60),
    "city": ("City", 60),
    "state": ("State", 30),
    "zip": ("ZIP", 14),
    "country": ("Country", 3),
    "phone": ("Phone", 30),
    "e_mail": ("E-mail", 100),
}


def _code(field: str, text: str, what: str, longest: int = catalog.LONGEST) -> str:
    try:
        return catalog.code(text, what, longest)
    except catalog.Refused as why:
        raise forms.ValidationError(str(why)) from None


class ProductForm(forms.Form):
    """A product that the WMS has not told of yet, or the name of one."""

    sku = forms.CharField(
        label="SKU",
        max_length=catalog.LONGEST,
        help_text="As the WMS writes it. Example: MUG-BLUE. Products that the WMS has appear by themselves.",
    )
    name = forms.CharField(
        label="Name", max_length=200, required=False, help_text="For our pages only. Example: Mug, blue, 350 ml."
    )

    def __init__(self, *args: Any, merchant: Merchant, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.merchant = merchant

    def clean_sku(self) -> str:
        """One line, and new."""
        sku = _code("sku", self.cleaned_data["sku"], "The SKU")
        if Product.objects.filter(merchant=self.merchant, sku=sku).exists():
            raise forms.ValidationError("There is a product with this SKU already.")
        return sku

    def clean_name(self) -> str:
        """One line."""
        return " ".join(self.cleaned_data["name"].split())


class AliasForm(forms.Form):
    """Another code of a product."""

    kind = forms.CharField(
        label="Alias name",
        max_length=catalog.MOST_KIND,
        help_text="What kind of code it is, called the same for all products. Example: UPC.",
        widget=forms.TextInput(attrs={"list": "kinds", "autocomplete": "off"}),
    )
    value = forms.CharField(
        label="Alias value",
        max_length=catalog.LONGEST,
        help_text="The code. It belongs to one product of the merchant. Example: 0123456789012.",
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )

    def __init__(self, *args: Any, product: Product, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.product = product

    def clean(self) -> dict[str, Any]:
        """A value that is free."""
        data = self.cleaned_data
        try:
            if "kind" in data:
                data["kind"] = catalog.kind_of(data["kind"], catalog.kinds(self.product.merchant_id))
        except catalog.Refused as why:
            self.add_error("kind", str(why))
        if "value" in data:
            value = data["value"] = " ".join(data["value"].replace("\x00", "").split())
            taken = ProductAlias.objects.filter(merchant=self.product.merchant_id, value=value).select_related(
                "product"
            )
            if (found := taken.select_related("product").first()) is not None:
                self.add_error("value", f"It is {found.kind} of {found.product.sku} already.")
        return data


class WarehouseForm(forms.Form):
    """A warehouse's name and address."""

    name = forms.CharField(label="Name", max_length=100, help_text="What we call it. Example: East hall.")
    number = forms.CharField(
        label="Location number",
        max_length=30,
        required=False,
        help_text="What trading partners call it in their documents (EDI). Example: 0042.",
    )

    def __init__(self, *args: Any, merchant: Merchant, warehouse: Warehouse | None = None, **kwargs: Any) -> None:
        if warehouse is not None:
            kwargs["initial"] = {"name": warehouse.name, **warehouse.address}
        super().__init__(*args, **kwargs)
        self.merchant, self.warehouse = merchant, warehouse
        for name, (label, longest) in _PARTS.items():
            self.fields[name] = forms.CharField(label=label, max_length=longest, required=False)
        self.fields["country"].help_text = "Two or three letters of ISO 3166. Example: US."

    def clean_name(self) -> str:
        """One line, and no other warehouse's."""
        name = _code("name", self.cleaned_data["name"], "The name")
        others = Warehouse.objects.filter(merchant=self.merchant, name=name)
        if self.warehouse is not None:
            others = others.exclude(pk=self.warehouse.pk)
        if others.exists():
            raise forms.ValidationError("Another warehouse has this name.")
        return name

    def clean_country(self) -> str:
        """By two letters."""
        from integration_manager.kit.countries import alpha_2

        text = str(self.cleaned_data["country"]).strip()
        found = alpha_2(text) if text else ""
        if found is None:
            raise forms.ValidationError("That is no country. Write the two or three letters of ISO 3166.")
        return found

    def address(self) -> dict[str, str]:
        """What is known of where it is, after validation."""
        names = ("number", *_PARTS)
        return {name: text for name in names if (text := " ".join(str(self.cleaned_data.get(name) or "").split()))}
