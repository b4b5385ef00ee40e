// Passkeys: asks the browser for one, and sends what it signs with the form that stands around the button. Where a
// browser has none, or the page may not ask for them (plain http), the forms stay hidden: a password and a code remain.

const { PublicKeyCredential: Passkeys } = window;
const CAN = Boolean(Passkeys?.parseRequestOptionsFromJSON && Passkeys.parseCreationOptionsFromJSON);

// The question to sign stands in the form, or is asked for when the button is pressed: it makes a session.
async function question(form) {
  if (form.dataset.passkey) return JSON.parse(form.dataset.passkey);
  const answer = await fetch(form.action, { method: "POST", body: new URLSearchParams(new FormData(form)) });
  if (!answer.ok) throw new Error(`no question to sign: ${answer.status}`);
  return answer.json();
}

async function sign(form) {
  const { publicKey } = await question(form);
  const credential =
    form.dataset.does === "add"
      ? await navigator.credentials.create({ publicKey: Passkeys.parseCreationOptionsFromJSON(publicKey) })
      : await navigator.credentials.get({ publicKey: Passkeys.parseRequestOptionsFromJSON(publicKey) });
  form.elements.credential.value = JSON.stringify(credential.toJSON());
  form.submit();
}

for (const form of document.querySelectorAll("form[data-does]")) {
  form.hidden = !CAN;
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    const [button, told] = [form.querySelector("button"), form.querySelector("[data-failed]")];
    button.disabled = true;
    told.textContent = "";
    try {
      await sign(form);
    } catch {
      // Cancelled, timed out, no fitting passkey on this machine: the browser has said which.
      told.textContent = told.dataset.failed;
      button.disabled = false;
    }
  });
}
