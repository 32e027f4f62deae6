// Two tabs in the chat; see browser.sh, which carries out "stop" and "start".

import assert from "node:assert/strict";
import { setTimeout as sleep } from "node:timers/promises";
import { chromium } from "playwright-core";

const [, , url, folder] = process.argv;
const browser = await chromium.launch({
  executablePath: "/usr/bin/chromium",
  args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync"],
});

async function open(options) {
  const page = await (await browser.newContext(options)).newPage();
  page.setDefaultTimeout(10_000);
  page.on("pageerror", error => { throw error; });
  page.on("console", message => {
    // What the browser says of a server that is not there.
    if (message.type() === "error" && !message.text().includes("WebSocket connection")) throw new Error(message.text());
  });
  await page.goto(url + "#kitchen");
  return page;
}

const shoot = (page, name) => page.screenshot({ path: `${folder}/${name}.png` });
const said = (page, text) => page.locator(".said .text", { hasText: text }).waitFor();

async function enter(page, name) {
  await page.getByLabel("Your name").fill(name);
  await page.keyboard.press("Enter");
  await page.getByRole("heading", { name: "# kitchen" }).waitFor();
}

try {
  const desktop = await open({ viewport: { width: 1280, height: 800 } });
  const phone = await open({ viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2, colorScheme: "dark" });

  // The name has the focus, the room comes from the address.
  assert.equal(await desktop.evaluate(() => document.activeElement.name), "name");
  assert.equal(await desktop.getByLabel("Room").inputValue(), "kitchen");
  await shoot(desktop, "1-desktop-enter");
  await shoot(phone, "1-phone-enter");

  // By keyboard alone.
  await enter(desktop, "Ann");
  await desktop.keyboard.type("Is anybody hungry?");
  await desktop.keyboard.press("Enter");
  await said(desktop, "Is anybody hungry?");

  // A newcomer sees what was said, and who is there.
  await enter(phone, "Bob");
  await said(phone, "Is anybody hungry?");
  await desktop.getByText("Bob came.").waitFor();
  await desktop.getByRole("heading", { name: "2 people here" }).waitFor();
  for (const text of ["Me, always.", "There is bread and a lot of cheese, and somebody has brought an apple cake that is still warm.", "<b>Come</b> & see 🥧"]) {
    await phone.getByPlaceholder("Message").fill(text);
    await phone.getByRole("button", { name: "Send" }).tap();
    await said(desktop, text);
  }
  await desktop.keyboard.type("On my way.");
  await desktop.keyboard.press("Shift+Enter");
  await desktop.keyboard.type("Keep a piece for me!");
  await desktop.keyboard.press("Enter");
  await said(phone, "Keep a piece for me!");
  assert.equal(await desktop.getByPlaceholder("Message").inputValue(), "");
  assert.equal(await desktop.locator(".said").count(), 5);
  // Nothing is out of place.
  for (const page of [desktop, phone]) {
    const send = await page.getByRole("button", { name: "Send" }).boundingBox();
    const { width, height } = page.viewportSize();
    assert.ok(send.y + send.height <= height && send.y > height - 80, JSON.stringify(send));
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), width);
  }
  await shoot(desktop, "2-desktop-talk");
  await shoot(phone, "2-phone-talk");

  // Who is here, on a phone.
  const people = phone.getByRole("button", { name: "People (2)" });
  await people.tap();
  await phone.getByText("(you)").waitFor();
  assert.equal(await people.getAttribute("aria-expanded"), "true");
  await shoot(phone, "3-phone-people");
  await phone.keyboard.press("Escape");
  assert.equal(await phone.getByText("(you)").isVisible(), false);

  // A name that is taken is said where it can be changed.
  const third = await open({ viewport: { width: 1280, height: 800 }, colorScheme: "dark" });
  await third.getByLabel("Your name").fill("Ann");
  await third.keyboard.press("Enter");
  await third.getByRole("alert").filter({ hasText: "taken" }).waitFor();
  await shoot(third, "4-desktop-taken");
  await enter(third, "Cy");

  // Who reads further up is not pulled down.
  await phone.locator("#log").evaluate(log => { log.style.paddingTop = "40rem"; log.scrollTop = 0; });
  await sleep(100);
  await third.keyboard.type("You cannot see this yet.");
  await third.keyboard.press("Enter");
  await phone.getByRole("button", { name: "New messages" }).waitFor();
  await shoot(phone, "5-phone-newer");
  await phone.getByRole("button", { name: "New messages" }).tap();
  assert.ok(await phone.locator("#log").evaluate(log => log.scrollHeight - log.scrollTop - log.clientHeight < 2));
  await shoot(third, "5-desktop-dark");

  // The order of the focus, and a name for everything that can have it.
  await desktop.getByPlaceholder("Message").focus();
  const order = [];
  for (let i = 0; i < 3; i++) {
    order.push(await desktop.evaluate(() => document.activeElement.id || document.activeElement.name));
    await desktop.keyboard.press("Shift+Tab");
  }
  assert.deepEqual(order, ["text", "log", "leave"]);
  await desktop.getByRole("log", { name: "Messages" }).waitFor();
  await desktop.getByRole("textbox", { name: /^Message/ }).waitFor();
  await desktop.getByRole("complementary", { name: "3 people here" }).getByRole("listitem").filter({ hasText: "Cy" }).waitFor();

  // The server goes, and comes again: nothing that is being written is lost.
  await desktop.getByPlaceholder("Message").fill("Written while the server is away");
  console.log("stop");
  await desktop.getByRole("status").filter({ hasText: "The server is restarting." }).waitFor();
  await desktop.getByPlaceholder("Message").press("Enter");
  assert.equal(await desktop.getByPlaceholder("Message").inputValue(), "Written while the server is away");
  await sleep(2000);
  await shoot(desktop, "6-desktop-away");
  await shoot(phone, "6-phone-away");
  console.log("start");
  await sleep(500);
  // Unless it has come back by itself in the meantime.
  await desktop.getByRole("button", { name: "Try now" }).click({ timeout: 1000 }).catch(() => {});
  await desktop.getByText("You are back.").waitFor();
  await phone.getByText("You are back.").waitFor();
  await third.getByText("You are back.").waitFor();
  await desktop.getByPlaceholder("Message").press("Enter");
  await said(phone, "Written while the server is away");
  assert.equal(await desktop.getByRole("status").isVisible(), false);

  // A reloaded tab takes its own place again.
  await phone.reload();
  assert.equal(await phone.getByLabel("Your name").inputValue(), "Bob");
  await phone.getByRole("button", { name: "Enter" }).tap();
  await said(phone, "Written while the server is away");
  await third.getByRole("button", { name: "Leave" }).click();
  await desktop.getByText("Cy left.").waitFor();
  assert.equal(await third.evaluate(() => document.activeElement.name), "name");
  await shoot(desktop, "7-desktop-back");
  console.log("the browser test has passed");
} finally {
  await browser.close();
}
