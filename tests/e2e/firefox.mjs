// A short call through the practice page in Firefox, driven over WebDriver BiDi. Its fake microphone is a tone.
// Usage: node firefox.mjs URL FIREFOX EMAIL PASSWORD; prints what it saw as one line of JSON.

import puppeteer from "puppeteer-core";

const [url, executablePath, email, password] = process.argv.slice(2);
const seen = { steps: [], errors: [] };

const browser = await puppeteer.launch({
  browser: "firefox",
  executablePath,
  headless: true,
  extraPrefsFirefox: {
    "media.navigator.streams.fake": true,
    "media.navigator.permission.disabled": true,
    "media.peerconnection.ice.loopback": true,
    "media.peerconnection.ice.obfuscate_host_addresses": false,
    "media.autoplay.default": 0,
  },
});

try {
  const page = await browser.newPage();
  page.setDefaultTimeout(20_000);
  page.on("pageerror", (error) => seen.errors.push(String(error)));
  const view = (name) => page.waitForSelector(`section[data-view=${name}]:not([hidden])`);
  const passed = (step) => seen.steps.push(step);

  await page.goto(url);
  await page.waitForSelector("#sign-in");
  await page.type("#sign-in input[name=email]", email);
  await page.type("#sign-in input[name=password]", password);
  await page.click("#sign-in button[type=submit]");
  passed("signed in");
  await view("consent");
  seen.browser = await page.evaluate(() => navigator.userAgent);
  passed("consent");
  await page.click("input[name=coaching]");
  await page.click("input[name=recording][value=yes]");
  await page.click("#consent-form button[type=submit]");

  await view("check");
  await page.click("#check-start");
  // A tone is no speech, and without a sound output Firefox cannot even listen: the way on is the same.
  const skip = await page.waitForSelector("#check-skip:not([hidden])");
  seen.check = await page.evaluate(() => document.querySelector("#verdict:not([hidden]), .notice").textContent);
  passed("check");
  await skip.click();

  await view("ready");
  await page.click("#start");
  await page.waitForSelector("#connection[data-state=live]");
  passed("connected");
  await page.waitForFunction(() => {
    const level = document.querySelector("[data-gauge=volume] .reading-value").textContent;
    return level.includes("dBFS") && document.getElementById("timer").textContent >= "0:03";
  });
  passed("meters");
  await page.click("#pause");
  await page.waitForSelector("#connection[data-state=paused]");
  await page.click("#pause");
  await page.waitForSelector("#connection[data-state=live]");
  passed("paused");
  await page.click("#end");
  await view("summary");
  passed("ended");
  seen.sessionId = new URL(page.url()).hash.split("/").at(-1);
  seen.recordingS = await page.evaluate(async () => {
    const audio = document.getElementById("audio");
    if (audio.readyState < 1) await new Promise((resolve) => audio.addEventListener("loadedmetadata", resolve));
    return audio.duration;
  });
} catch (error) {
  seen.errors.push(String(error));
} finally {
  await browser.close();
}
console.log(JSON.stringify(seen));
