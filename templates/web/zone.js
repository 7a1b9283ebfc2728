// The browser knows its time zone. Only an untouched "UTC" is replaced, and the form works without this.
const zone = document.getElementById("zone");
const here = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone && here && zone.value === "UTC" && !document.querySelector("[role=alert]")) zone.value = here;
