from plainscan import errors


def test_the_tree_in_the_docstring_names_every_error() -> None:
    drawn = errors.__doc__ or ""
    classes = [n for n, c in vars(errors).items() if isinstance(c, type) and issubclass(c, errors.PlainscanError)]
    assert len(classes) > 10
    for name in classes:
        assert f" {name} " in drawn, name


def test_a_user_error_says_where_found_expected_and_what_to_do() -> None:
    error = errors.DicomError(
        "no Rescale Intercept", where="a.dcm (0028,1052)", expected="a number", remedy="Skip it.", code="x"
    )
    assert str(error) == "a.dcm (0028,1052): no Rescale Intercept; expected a number. Skip it."
    assert (error.code, error.exit_code) == ("x", 2)


def test_a_user_error_without_a_code_is_coded_by_its_class() -> None:
    assert errors.SplitError("empty").code == "SplitError"


def test_our_own_mistakes_exit_with_1_and_the_users_with_2() -> None:
    assert errors.InternalError.exit_code == 1
    assert errors.LeakError.exit_code == 2
