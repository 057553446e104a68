/** The page of the API. The content security policy allows no script inside of it. */

// @ts-expect-error made by static_content/swagger-ui-bundle.js
SwaggerUIBundle({ url: "docs.json", dom_id: "#api", validatorUrl: null })
