// Before anything is drawn: dark or light as chosen here before. Without a choice the system's is followed.
"use strict";
try {
  const chosen = localStorage.getItem("dicomlake.theme");
  if (chosen === "dark" || chosen === "light") document.documentElement.dataset.theme = chosen;
} catch {
  // storage may be forbidden; the system's choice stands
}
