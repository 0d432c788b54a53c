"""The dashboard: Streamlit pages that pick, call and show."""
