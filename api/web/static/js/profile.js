// The fields of what somebody is called and can be reached by.

const PHONE = /^[0-9+()./ x-]*$/;

/** For a `Form`; `isOwn`: whoever fills them in tells of themselves. */
export function profileFields({ firstName, lastName, phone }, isOwn = true) {
  const own = (kind) => (isOwn ? kind : "off");
  return [
    { name: "firstName", label: "page.form.first_name", value: firstName, autocomplete: own("given-name"), maxlength: "80" },
    { name: "lastName", label: "page.form.last_name", value: lastName, autocomplete: own("family-name"), maxlength: "80" },
    { name: "phone", label: "page.form.phone", hint: isOwn ? "page.form.phone_hint" : null, value: phone, type: "tel", autocomplete: own("tel"), maxlength: "40", optional: true, check: (value) => (PHONE.test(value) ? null : "page.form.not_a_phone") },
  ];
}
